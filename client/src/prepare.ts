/**
 * An event as it is sent: with an id and a time, as JSON text. Made once, before the first try, because a retry that
 * says anything else would be another event, or a conflict.
 */
import { v7 } from "uuid";

/** An event as the caller writes it. What is missing is made up, once. */
export interface NewEvent {
  /** Tokens separated by dots: `user.auth`. */
  readonly topic: string;
  /** Any UUID; a UUIDv7 unless given. An event that may be published again after a crash must bring its own. */
  readonly event_id?: string | undefined;
  /** A date, or RFC 3339 text with up to six digits of a second; now unless given. */
  readonly timestamp?: string | Date | undefined;
  /** Who says so; the publisher's `source` unless given. */
  readonly source?: string | undefined;
  /** Any JSON object, or its text, which is then carried as it is. */
  readonly payload: object | RawJson;
}

/** JSON that is there as text already: `JSON.parse` and back would round numbers that a double can't hold. */
export class RawJson {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Prepared = {
  readonly topic: string;
  readonly eventId: string;
  /** JSON. */
  readonly text: string;
  readonly textBytes: number;
};

const encoder = new TextEncoder();

/** @throws where the payload can't be written as JSON */
export function prepare(event: NewEvent, source: string | undefined): Prepared {
  const { payload, ...rest } = event;
  const eventId = event.event_id ?? v7();
  const head = JSON.stringify({
    // Whatever else it holds is sent too: the aggregator refuses unknown fields by name, nothing is dropped silently.
    ...rest,
    event_id: eventId,
    timestamp: event.timestamp ?? new Date(),
    source: event.source ?? source,
  });
  const body = payload instanceof RawJson ? payload.text : JSON.stringify(payload);
  const text = body === undefined ? head : `${head.slice(0, -1)},"payload":${body}}`;
  return { topic: event.topic, eventId, text, textBytes: encoder.encode(text).byteLength };
}
