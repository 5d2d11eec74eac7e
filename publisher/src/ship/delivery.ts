/**
 * One batch, until each of its events is acknowledged, refused by name, or given up.
 *
 * A batch is accepted all or nothing, so one event that does not fit would hold up all others. The aggregator names the
 * places that don't fit: these are dropped and counted as refused, the rest is sent again. Where it names none, or the
 * batch is too large for it, the batch is halved. Both end: each round drops or halves, so a batch of n takes at most
 * 2n requests.
 */
import type { Logger } from "../log.ts";
import type { Client, Outcome } from "../publish/client.ts";
import type { LineEvent } from "./line-event.ts";
import type { Tally } from "./tally.ts";

export type DeliveryContext = {
  readonly client: Client;
  readonly log: Logger;
  readonly deadline: AbortSignal;
  readonly tally: Tally;
  readonly onSettled: (events: readonly LineEvent[]) => void;
};

/** Why the run can't go on, or undefined where it can. */
export type Halt = { readonly reason: string } | undefined;

const TOO_LARGE = 413;
const UNFIT = 422;

export async function deliver(events: readonly LineEvent[], context: DeliveryContext): Promise<Halt> {
  context.tally.sent += events.length;
  return await settle(events, context);
}

async function settle(events: readonly LineEvent[], context: DeliveryContext): Promise<Halt> {
  if (events.length === 0) return undefined;
  const body = `[${events.map((event) => event.text).join(",")}]`;
  const outcome = await context.client.publish(body, events.length, context.deadline);
  switch (outcome.kind) {
    case "acknowledged":
      return acknowledge(events, outcome, context);
    case "given_up":
      return giveUp(events, outcome.reason, context);
    case "refused":
      return await sortOut(events, outcome, context);
  }
}

type Refused = Extract<Outcome, { kind: "refused" }>;

async function sortOut(events: readonly LineEvent[], outcome: Refused, context: DeliveryContext): Promise<Halt> {
  // Any other status is about the request or the address: the next batch would fare no better.
  if (outcome.status !== UNFIT && outcome.status !== TOO_LARGE) return giveUp(events, outcome.reason, context);
  const unfit = events.filter((_, index) => outcome.places.has(index));
  if (unfit.length > 0) {
    for (const [index, event] of events.entries()) {
      const reason = outcome.places.get(index);
      if (reason !== undefined) refuse(event, reason, context);
    }
    context.onSettled(unfit);
    return await settle(
      events.filter((_, index) => !outcome.places.has(index)),
      context,
    );
  }
  const [first] = events;
  if (first !== undefined && events.length === 1) {
    refuse(first, outcome.reason, context);
    context.onSettled(events);
    return undefined;
  }
  const middle = Math.ceil(events.length / 2);
  const halt = await settle(events.slice(0, middle), context);
  if (halt !== undefined) return giveUp(events.slice(middle), halt.reason, context);
  return await settle(events.slice(middle), context);
}

function acknowledge(
  events: readonly LineEvent[],
  outcome: Extract<Outcome, { kind: "acknowledged" }>,
  context: DeliveryContext,
): Halt {
  const { tally } = context;
  const { stored = 0, duplicates = 0, deadLettered = 0 } = outcome.verdicts ?? {};
  tally.acknowledged += events.length;
  tally.stored += stored;
  tally.duplicates += duplicates;
  tally.dead_lettered += deadLettered;
  if (deadLettered > 0) {
    const about = { lines: `${events[0]?.number}-${events.at(-1)?.number}`, dead_lettered: deadLettered };
    context.log.warn(about, "the aggregator keeps some events as dead letters");
  }
  context.onSettled(events);
  return undefined;
}

function refuse(event: LineEvent, reason: string, context: DeliveryContext): void {
  context.tally.refused += 1;
  context.log.error({ event_id: event.eventId, line_number: event.number, reason }, "REFUSED");
}

function giveUp(events: readonly LineEvent[], reason: string, context: DeliveryContext): Halt {
  context.tally.given_up += events.length;
  const about = { lines: events.length, first: events[0]?.number, last: events.at(-1)?.number, reason };
  context.log.error(about, "GIVEN UP");
  return { reason };
}
