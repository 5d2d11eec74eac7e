/**
 * `@sekali/client`: publishes to and follows a Sekali aggregator, from Bun, Node 20 and later, and browsers. It needs
 * `fetch`, `AbortController`, web streams and `crypto.getRandomValues`, and nothing else.
 */
export type { Fetch, Key } from "./call.ts";
export { type ConsumeOptions, type ConsumerOptions, consume, type Leased, runConsumer } from "./consume.ts";
export { PublishError, type PublishErrorKind, SubscriptionError, type SubscriptionErrorKind } from "./errors.ts";
export { type NewEvent, RawJson } from "./prepare.ts";
export type { Acknowledgement, EventRecord, Verdict } from "./public-types.ts";
export {
  type CloseReport,
  createPublisher,
  Publisher,
  type PublisherCounts,
  type PublisherOptions,
  type Receipt,
} from "./publisher.ts";
export type { Retried, RetryBounds } from "./retry.ts";
export { type Followed, type SubscribeOptions, subscribe } from "./subscribe.ts";
