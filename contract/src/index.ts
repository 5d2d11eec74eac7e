/**
 * What an event is: schema, limits and validation, once, for aggregator, publisher and load scripts alike. Pure: no
 * I/O, no clock, no state; imports TypeBox and nothing of ours.
 *
 * The words of this product. Each means one thing, in code, SQL, metrics and documents alike.
 *
 * - **event**: `{topic, event_id, timestamp, source, payload}`. Its identity is `(topic, event_id)`.
 * - **delivery**: one arrival of an event. A publisher that retries makes a second delivery of the same event.
 * - **duplicate**: a delivery whose identity is already stored. It is dropped and counted; the first committed
 *   delivery wins.
 * - **conflict**: a duplicate whose content differs from what is stored.
 * - **batch**: the events of one request that sent an array. It is accepted all or nothing.
 * - **entry**: one Redis stream entry: the deliveries of one flush.
 * - **shard**: one stream, with one position row in Postgres.
 * - **seq**: a delivery's number in its shard: 1, 2, 3 … for ever, never reused, never reset.
 * - **epoch**: a number that Postgres issues to a shard whenever Redis may have lost something of it.
 * - **head**: the last seq that Redis has accepted for a shard.
 * - **position**: the (epoch, seq) up to which a shard has been committed in Postgres.
 * - **dead letter**: a delivery that Postgres can never store, kept with its reason.
 * - **feed**: all stored events in the order in which they became visible: of each shard, by seq.
 * - **cursor**: how far a reader of the feed has come: the last seq of each shard.
 * - **horizon**: the seq of a shard up to which retention has taken events.
 * - **lease**: an event in the hands of one consumer of a durable subscription, until it is acknowledged or the lease
 *   runs out. Its **attempt** says how often the event was handed out.
 * - **verdict**: what became of one delivery: stored, duplicate or dead letter.
 */
export * from "./event.ts";
export { FORMATS, type FormatKeywords } from "./formats.ts";
export { eventIdFault, LONE_SURROGATE_FAULT, NUL_FAULT, sourceFault, topicFault } from "./identifiers.ts";
export { judgeText } from "./json-text.ts";
export * from "./limits.ts";
export * from "./publish-body.ts";
export * from "./replies.ts";
export * from "./report.ts";
export * from "./session.ts";
export * from "./simulation.ts";
export * from "./subscription.ts";
export { instantFault, timestampFault } from "./timestamp.ts";
export {
  compileTopicPattern,
  compileTopicPatterns,
  coversTopicPattern,
  intersectTopicPatterns,
  isWildcard,
  topicPatternFault,
} from "./topic-pattern.ts";
export { fillTopic, topicTemplateFault } from "./topic-template.ts";
