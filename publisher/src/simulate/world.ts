/**
 * The small world that is simulated: which event comes next, new or once more.
 *
 * The seed fixes every choice: new or resent, which one, topic, source and payload. It does not fix identities: a
 * simulator that starts again with the same seed simulates new events, else a restarted container would send nothing
 * but duplicates with changed times.
 */
import { type Event, SOURCES, TOPICS } from "@sekali/contract";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { v4, v7 } from "uuid";
import { Recent } from "./recent.ts";

export type UuidVersion = 4 | 7;

/** An event and its JSON text, made once, so that what is resent is the same to the byte. */
export type Prepared = {
  readonly event: Event;
  readonly body: string;
  /** Set by the first delivery that is acknowledged; each later one is a duplicate, whichever was sent first. */
  wasAcknowledged: boolean;
};

export type Choice = { readonly isResent: boolean; readonly prepared: Prepared };

export type World = { next(): Choice };

/** Enough for resends to be spread over seconds, few enough to cost nothing. */
const RECENT_EVENTS_MAX = 1000;

const STATUSES = ["ok", "ok", "ok", "degraded", "failing"] as const;

export function createWorld(options: { seed: number; duplicateRatio: number; uuidVersion: UuidVersion }): World {
  const random = xoroshiro128plus(options.seed);
  const recent = new Recent<Prepared>(RECENT_EVENTS_MAX);
  const newId = options.uuidVersion === 7 ? v7 : v4;

  function chooseFrom<T>(values: readonly [T, ...T[]]): T {
    return values[uniformInt(random, 0, values.length - 1)] ?? values[0];
  }

  function create(): Prepared {
    const event: Event = {
      topic: chooseFrom(TOPICS),
      event_id: newId(),
      timestamp: new Date().toISOString(),
      source: chooseFrom(SOURCES),
      payload: {
        cpu_usage: uniformInt(random, 0, 1000) / 10,
        memory: uniformInt(random, 64, 16_384),
        status: chooseFrom(STATUSES),
      },
    };
    return { event, body: JSON.stringify(event), wasAcknowledged: false };
  }

  function next(): Choice {
    const wantsResend = uniformFloat64(random) < options.duplicateRatio;
    const old = wantsResend && recent.size > 0 ? recent.at(uniformInt(random, 0, recent.size - 1)) : undefined;
    if (old !== undefined) return { isResent: true, prepared: old };
    const prepared = create();
    recent.push(prepared);
    return { isResent: false, prepared };
  }

  return { next };
}
