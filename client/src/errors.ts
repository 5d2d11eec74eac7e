/** What can become of an event beside being acknowledged, and of those who read beside getting what they asked for. */

/**
 * - `expired`: retention has taken what follows the id (410). Begin again from a time, or from `beginning`
 * - `unauthorized`: no key, a wrong one, or one that may not read this (401, 403)
 * - `refused`: another pattern, start, id or name is needed, or another address (other 4xx, a reply of somebody else)
 * - `given_up`: no answer within the bounds, or before a signal
 */
export type SubscriptionErrorKind = "expired" | "unauthorized" | "refused" | "given_up";

/** What no further try would change. */
export class SubscriptionError extends Error {
  override readonly name = "SubscriptionError";
  readonly kind: SubscriptionErrorKind;
  readonly status: number | undefined;

  constructor(kind: SubscriptionErrorKind, reason: string, status: number | undefined) {
    super(reason);
    this.kind = kind;
    this.status = status;
  }
}

/**
 * - `refused`: the aggregator has said what is wrong with the event, or it can't be written as JSON
 * - `unauthorized`: no key, a wrong one, or one that may not publish this (401, 403)
 * - `given_up`: no acknowledgement within the bounds; whether it was stored is unknown unless `status` is 4xx
 * - `full`: the buffer has no room, and nobody is to wait for it
 * - `closed`: the publisher was closed before there was an acknowledgement
 */
export type PublishErrorKind = "refused" | "unauthorized" | "given_up" | "full" | "closed";

export class PublishError extends Error {
  override readonly name = "PublishError";
  readonly kind: PublishErrorKind;
  /** Of the last answer, where there was one. */
  readonly status: number | undefined;
  readonly topic: string | undefined;
  /** The id under which it may have been stored: publish it again under the same one. */
  readonly event_id: string | undefined;
  /** The event as it was sent, JSON; undefined where it could not be written as JSON. */
  readonly text: string | undefined;

  constructor(
    kind: PublishErrorKind,
    reason: string,
    about: { readonly status?: number | undefined; readonly prepared?: PreparedIdentity | undefined } = {},
  ) {
    super(reason);
    this.kind = kind;
    this.status = about.status;
    this.topic = about.prepared?.topic;
    this.event_id = about.prepared?.eventId;
    this.text = about.prepared?.text;
  }
}

type PreparedIdentity = { readonly topic: string; readonly eventId: string; readonly text: string };
