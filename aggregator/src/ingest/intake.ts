/**
 * What all ways in share once they have events: whether their topics are the caller's and have room, the batcher, and
 * the verdicts.
 *
 * A way in turns requests into the contract's JSON text, in whatever form they came; from here on nobody knows the
 * difference. So each way is bounded, acknowledged and counted alike (P1 to P6).
 */
import {
  type Identified,
  NAMED_ERRORS_MAX,
  type ProblemPlace,
  type StoredReply,
  type StoredVerdict,
  TOPICS_MAX_DEFAULT,
} from "@sekali/contract";
import { Type } from "@sinclair/typebox";
import type { Caller, Quota } from "../access/caller.ts";
import { notCovered } from "../access/covered.ts";
import { requireGood } from "../access/end-of-caller.ts";
import type { Parameters } from "../openapi/operation.ts";
import type { Way } from "../ops/observers.ts";
import { OVERLOADED, overQuota, type Problem, QUEUE_AWAY, RequestError } from "../problem.ts";
import { readParameters } from "../query/parameters.ts";
import { type Batcher, Overloaded, type Receipt } from "./batcher.ts";
import type { TopicRegistry } from "./topic-registry.ts";
import type { Verdicts } from "./verdicts.ts";

/**
 * Longer than Postgres may take to come back (P5 promises 15 s only after its return), shorter than HTTP clients wait.
 */
const STORED_DEADLINE_MS = 15_000;

export const FOREIGN_TOPIC = "is not a topic of this key";
export const CROWDED_TOPIC = "is a new topic, and there is no room for it";
const NONE: ReadonlySet<string> = new Set();

/** Of one request, or of one chunk of a stream. */
export interface IntakeLimits {
  readonly bodyBytesMax: number;
  readonly batchEventsMax: number;
}

/** Events as the contract's parser gives them; `text` is their JSON, comma separated. */
export interface Batch {
  readonly events: readonly Identified[];
  readonly text: string;
}

/** A batch of topics that are the caller's and have room. Only `admit` makes one, and nothing else can be queued. */
class AdmittedBatch implements Batch {
  readonly events: readonly Identified[];
  readonly text: string;
  readonly #caller: Caller;

  constructor({ events, text }: Batch, caller: Caller) {
    this.events = events;
    this.text = text;
    this.#caller = caller;
  }

  get caller(): Caller {
    return this.#caller;
  }
}

export type { AdmittedBatch };

export class Intake {
  readonly limits: IntakeLimits;
  readonly #batcher: Pick<Batcher, "submit">;
  readonly #verdicts: Pick<Verdicts, "of">;
  readonly #topics: Pick<TopicRegistry, "admit" | "topicsMax">;

  constructor(
    batcher: Pick<Batcher, "submit">,
    verdicts: Pick<Verdicts, "of">,
    topics: Pick<TopicRegistry, "admit" | "topicsMax">,
    limits: IntakeLimits,
  ) {
    this.limits = limits;
    this.#batcher = batcher;
    this.#verdicts = verdicts;
    this.#topics = topics;
  }

  /**
   * Lets a batch in, if all its topics are the caller's and have room; else none of it.
   *
   * @param pointerOf an event's place in the request, by its index.
   * @param field the topic's name there.
   * @throws RequestError naming the events whose topic is not the caller's (403), or finds no room (422); 401 where the
   * caller's key has ended since the request began. OverQuota as `crowdedTopics`.
   */
  admit(caller: Caller, batch: Batch, pointerOf: (index: number) => string, field = "topic"): AdmittedBatch {
    requireGood(caller);
    const { events } = batch;
    const places = (topics: ReadonlySet<string>, detail: string): readonly ProblemPlace[] =>
      events
        .flatMap(({ topic }, index) => (topics.has(topic) ? [{ pointer: `${pointerOf(index)}/${field}`, detail }] : []))
        .slice(0, NAMED_ERRORS_MAX);
    const foreign = this.foreignTopics(caller, events);
    if (foreign.size > 0) throw notCovered("Not every topic is one of this key's.", places(foreign, FOREIGN_TOPIC));
    const crowded = this.crowdedTopics(caller, events);
    if (crowded.size === 0) return new AdmittedBatch(batch, caller);
    throw new RequestError(tooManyTopics(this.#topics.topicsMax, places(crowded, CROWDED_TOPIC)));
  }

  /** The topics of the events that are not the caller's. To be asked first: they must not take up room. */
  foreignTopics(caller: Caller, events: readonly Identified[]): ReadonlySet<string> {
    if (caller.allowsAll) return NONE;
    return new Set(events.flatMap(({ topic }) => (caller.allows(topic) ? [] : [topic])));
  }

  /**
   * The topics of the events that find no room; where none is returned, all were let in.
   * @throws OverQuota, and none was: what the key may not send at the moment must not take up room either.
   */
  crowdedTopics({ quota }: Caller, events: readonly Identified[]): ReadonlySet<string> {
    if (events.length > 0) quota?.requireRoom();
    return this.#topics.admit(events.map((event) => event.topic));
  }

  /**
   * Resolves when Redis has the batch on disk (P1). An empty batch has no receipt: nothing was queued.
   * @throws OverQuota, and nothing was queued.
   */
  queue({ text, events, caller }: AdmittedBatch, way: Way): Promise<Receipt | undefined> {
    if (events.length === 0) return Promise.resolve(undefined);
    const submit = () => this.#batcher.submit(text, events.length, way);
    return caller.quota === undefined ? submit() : within(caller.quota, events.length, submit);
  }

  /** As `queue`, of the batches that one request has become: the quota lets all of them in, or none. */
  async queueAll(batches: readonly AdmittedBatch[], way: Way): Promise<void> {
    const quota = batches[0]?.caller.quota;
    quota?.take(batches.reduce((sum, { events }) => sum + events.length, 0));
    const submitted = batches.map(({ text, events }) => {
      const submit = () => this.#batcher.submit(text, events.length, way);
      return quota === undefined ? submit() : refundable(quota, events.length, submit);
    });
    await Promise.all(submitted);
  }

  /** Waits for the commit. */
  async verdicts(receipt: Receipt | undefined, events: readonly Identified[]): Promise<readonly StoredVerdict[]> {
    return receipt === undefined ? [] : await this.#verdicts.of(receipt, events, STORED_DEADLINE_MS);
  }
}

/** @throws OverQuota, and nothing was submitted. */
async function within<T>(quota: Quota, events: number, submit: () => Promise<T>): Promise<T> {
  quota.take(events);
  return await refundable(quota, events, submit);
}

/** What there was no room for costs the key nothing. */
async function refundable<T>(quota: Quota, events: number, submit: () => Promise<T>): Promise<T> {
  try {
    return await submit();
  } catch (error) {
    if (error instanceof Overloaded) quota.giveBack(events);
    throw error;
  }
}

function tooManyTopics(topicsMax: number, errors: readonly ProblemPlace[]): Problem {
  return {
    status: 422,
    name: "too-many-topics",
    title: "Too many topics",
    detail: `This installation keeps at most ${topicsMax} different topics (TOPICS_MAX).`,
    errors,
  };
}

/** For example. */
export const TOO_MANY_TOPICS = tooManyTopics(TOPICS_MAX_DEFAULT, [{ pointer: "/0/topic", detail: CROWDED_TOPIC }]);

/** What all ways in say when events can't be queued. */
export const INTAKE_PROBLEMS: readonly Problem[] = [TOO_MANY_TOPICS, overQuota(1), OVERLOADED, QUEUE_AWAY];

export function tally(results: readonly StoredVerdict[]): Omit<StoredReply, "results"> {
  const count = (verdict: StoredVerdict) => results.filter((result) => result === verdict).length;
  return {
    status: "stored",
    count: results.length,
    unique: count("stored"),
    duplicates: count("duplicate"),
    dead_lettered: count("dead_letter"),
  };
}

/** Made once: a response copies it faster than it can be made of a literal. */
const JSON_HEADERS = new Headers({ "content-type": "application/json" });

export function jsonResponse(body: string): Response {
  return new Response(body, { headers: JSON_HEADERS });
}

export function queuedResponse(count: number): Response {
  return jsonResponse(`{"status":"queued","count":${count}}`);
}

/** The query of all ways in that can wait for the commit. */
export const ACK_QUERY = {
  ack: {
    schema: Type.Union([Type.Literal("queued"), Type.Literal("stored")]),
    description:
      "`queued` (the default) answers when Redis has the events on disk; `stored` when they are committed, with a " +
      "verdict on each.",
    example: "stored",
  },
} as const satisfies Parameters;

export const ACK_REFUSED: Problem = {
  status: 422,
  name: "unacceptable",
  title: "Unknown acknowledgement",
  detail: "The query parameter `ack` takes `queued` (the default) or `stored`.",
};

/**
 * What `ack` asks for. A request line without a query is by far the most common, and is not parsed.
 *
 * @throws RequestError 422, also for a name that is not `ack`: a misspelt one must not look like an answer to it.
 */
export function readAck(request: Request): "queued" | "stored" {
  if (!request.url.includes("?")) return "queued";
  const ack = readParameters(request, ACK_QUERY).get("ack");
  if (ack === null || ack === "queued") return "queued";
  if (ack === "stored") return "stored";
  throw new RequestError(ACK_REFUSED);
}
