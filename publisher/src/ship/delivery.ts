/** One batch of lines, settled by the client's rules: what became of each is counted, and logged where it is bad. */
import { type Acknowledged, settle, type Transport } from "@sekali/client/wire";
import type { Logger } from "../log.ts";
import type { LineEvent } from "./line-event.ts";
import type { Tally } from "./tally.ts";

export type DeliveryContext = {
  readonly client: Transport;
  readonly log: Logger;
  readonly deadline: AbortSignal;
  readonly tally: Tally;
  readonly onSettled: (events: readonly LineEvent[]) => void;
};

/** Why the run can't go on, or undefined where it can. */
export type Halt = { readonly reason: string } | undefined;

export async function deliver(events: readonly LineEvent[], context: DeliveryContext): Promise<Halt> {
  context.tally.sent += events.length;
  const failure = await settle(events, {
    transport: context.client,
    signal: context.deadline,
    acknowledged: (settled, outcome) => acknowledge(settled, outcome, context),
    refused: (event, { reason }) => refuse(event, reason, context),
    givenUp: (left, { reason }) => giveUp(left, reason, context),
  });
  return failure === undefined ? undefined : { reason: failure.reason };
}

function acknowledge(events: readonly LineEvent[], { verdicts }: Acknowledged, context: DeliveryContext): void {
  const { tally } = context;
  const { stored = 0, duplicates = 0, deadLettered = 0 } = verdicts ?? {};
  tally.acknowledged += events.length;
  tally.stored += stored;
  tally.duplicates += duplicates;
  tally.dead_lettered += deadLettered;
  if (deadLettered > 0) {
    const about = { lines: `${events[0]?.number}-${events.at(-1)?.number}`, dead_lettered: deadLettered };
    context.log.warn(about, "the aggregator keeps some events as dead letters");
  }
  context.onSettled(events);
}

function refuse(event: LineEvent, reason: string, context: DeliveryContext): void {
  context.tally.refused += 1;
  context.log.error({ event_id: event.eventId, line_number: event.number, reason }, "REFUSED");
  context.onSettled([event]);
}

function giveUp(events: readonly LineEvent[], reason: string, context: DeliveryContext): void {
  context.tally.given_up += events.length;
  const about = { lines: events.length, first: events[0]?.number, last: events.at(-1)?.number, reason };
  context.log.error(about, "GIVEN UP");
}
