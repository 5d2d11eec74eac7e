/**
 * One batch, until each of its events is acknowledged, refused by name, or given up.
 *
 * A batch is accepted all or nothing, so one event that does not fit would hold up all others. The aggregator names the
 * places that don't fit, or that the key does not cover: these are refused, the rest is sent again. Where it names
 * none, or the batch is too large for it, the batch is halved. Both end: each round drops or halves, so a batch of n
 * takes at most 2n requests.
 */
import type { Outcome, Transport } from "./transport.ts";

export type Deliverable = {
  /** JSON, made once: all tries send the same bytes. */
  readonly text: string;
};

export type Acknowledged = Extract<Outcome, { kind: "acknowledged" }>;
type Refused = Extract<Outcome, { kind: "refused" }>;

/** Why events were not acknowledged. Whether they are stored is unknown where there is no status, or one of 5xx. */
export type Failure = { readonly status: number | undefined; readonly reason: string };

export type Settlement<T> = {
  readonly transport: Transport;
  readonly signal: AbortSignal;
  acknowledged(events: readonly T[], outcome: Acknowledged): void;
  /** The aggregator has said what is wrong with this one. */
  refused(event: T, failure: Failure): void;
  givenUp(events: readonly T[], failure: Failure): void;
};

const FORBIDDEN = 403;
const TOO_LARGE = 413;
const UNFIT = 422;

/** @returns why the next batch would fare no better, or undefined. Never rejects. */
export async function settle<T extends Deliverable>(
  events: readonly T[],
  settlement: Settlement<T>,
): Promise<Failure | undefined> {
  if (events.length === 0) return undefined;
  const body = `[${events.map((event) => event.text).join(",")}]`;
  const outcome = await settlement.transport.publish(body, events.length, settlement.signal);
  switch (outcome.kind) {
    case "acknowledged":
      settlement.acknowledged(events, outcome);
      return undefined;
    case "given_up":
      return giveUp(events, outcome, settlement);
    case "refused":
      return await sortOut(events, outcome, settlement);
  }
}

async function sortOut<T extends Deliverable>(
  events: readonly T[],
  outcome: Refused,
  settlement: Settlement<T>,
): Promise<Failure | undefined> {
  const { status, reason, places } = outcome;
  const isAboutEvents = status === UNFIT || status === TOO_LARGE || status === FORBIDDEN;
  if (isAboutEvents && events.some((_, index) => places.has(index))) {
    for (const [index, event] of events.entries()) {
      const place = places.get(index);
      if (place !== undefined) settlement.refused(event, { status, reason: place });
    }
    return await settle(
      events.filter((_, index) => !places.has(index)),
      settlement,
    );
  }
  // Any other status, and a 403 that names no place, is about the request, the key or the address.
  if (status !== UNFIT && status !== TOO_LARGE) return giveUp(events, outcome, settlement);
  const [first] = events;
  if (first !== undefined && events.length === 1) {
    settlement.refused(first, { status, reason });
    return undefined;
  }
  const middle = Math.ceil(events.length / 2);
  return await inTurn([events.slice(0, middle), events.slice(middle)], settlement);
}

/** What stops one part stops those behind it: each would wait in vain as long again. */
async function inTurn<T extends Deliverable>(
  parts: readonly (readonly T[])[],
  settlement: Settlement<T>,
): Promise<Failure | undefined> {
  let failure: Failure | undefined;
  for (const part of parts) {
    if (failure === undefined) failure = await settle(part, settlement);
    else giveUp(part, failure, settlement);
  }
  return failure;
}

function giveUp<T>(events: readonly T[], { status, reason }: Failure, settlement: Settlement<T>): Failure {
  settlement.givenUp(events, { status, reason });
  return { status, reason };
}
