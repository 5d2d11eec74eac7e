/**
 * `@sekali/client`: publishes to and follows a Sekali aggregator, from Bun, Node 20 and later, and browsers. It needs
 * `fetch`, `AbortController`, web streams and `crypto.getRandomValues`, and nothing else.
 */
export type { Fetch, Key } from "./call.ts";
export { PublishError, type PublishErrorKind } from "./errors.ts";
export { type NewEvent, RawJson } from "./prepare.ts";
export type { Acknowledgement, Verdict } from "./public-types.ts";
export {
  type CloseReport,
  createPublisher,
  Publisher,
  type PublisherCounts,
  type PublisherOptions,
  type Receipt,
} from "./publisher.ts";
export type { Retried, RetryBounds } from "./retry.ts";
