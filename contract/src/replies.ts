/**
 * What the aggregator answers to who sends and finds events. Schemas for documentation and tests, types for everybody
 * who reads or writes a reply. All are open: a reply may carry more than they say.
 */
import { type Static, Type } from "@sinclair/typebox";
import { EventIdSchema, PayloadSchema, SourceSchema, TimestampSchema, TopicSchema } from "./event.ts";

const Count = Type.Integer({ minimum: 0 });

/** `POST /publish`: the events are in the queue, on disk. */
export const PublishReplySchema = Type.Object({ status: Type.Literal("queued"), count: Count });
export type PublishReply = Static<typeof PublishReplySchema>;

/** What became of one delivery. */
export const StoredVerdictSchema = Type.Union([
  Type.Literal("stored"),
  Type.Literal("duplicate"),
  Type.Literal("dead_letter"),
]);
export type StoredVerdict = Static<typeof StoredVerdictSchema>;

/** `POST /publish?ack=stored`: the events are committed; `results` is in the order of the request. */
export const StoredReplySchema = Type.Object({
  status: Type.Literal("stored"),
  count: Count,
  unique: Count,
  duplicates: Count,
  dead_lettered: Count,
  results: Type.Array(StoredVerdictSchema),
});
export type StoredReply = Static<typeof StoredReplySchema>;

/** A stream of lines names no verdict on each: only their numbers. */
export const StoredLinesReplySchema = Type.Omit(StoredReplySchema, ["results"]);
export type StoredLinesReply = Static<typeof StoredLinesReplySchema>;

/** One element of `GET /events`. */
export const EventRecordSchema = Type.Object({
  topic: TopicSchema,
  event_id: EventIdSchema,
  timestamp: TimestampSchema,
  source: SourceSchema,
  payload: PayloadSchema,
  received_at: TimestampSchema,
});
export type EventRecord = Static<typeof EventRecordSchema>;

/** One delivery of an event: the one that was stored, or one that was dropped. */
export const DeliverySchema = Type.Object({
  verdict: Type.Union([Type.Literal("stored"), Type.Literal("duplicate")]),
  received_at: TimestampSchema,
  shard: Count,
  seq: Count,
  source: SourceSchema,
  conflict: Type.Optional(
    Type.Union([Type.Boolean(), Type.Null()], { description: "of a duplicate: whether it said something else" }),
  ),
});

/** `GET /events/{topic}/{event_id}` */
export const EventDetailSchema = Type.Composite([
  EventRecordSchema,
  Type.Object({
    shard: Count,
    seq: Count,
    deliveries: Type.Array(DeliverySchema, { description: "the stored one, then duplicates, newest first" }),
    more_deliveries: Type.Boolean({ description: "there are older duplicates than those that are listed" }),
  }),
]);
export type EventDetail = Static<typeof EventDetailSchema>;

/** One element of `GET /topics`. */
export const TopicRecordSchema = Type.Object({
  topic: TopicSchema,
  unique_processed: Count,
  duplicate_dropped: Count,
  first_timestamp: Type.Union([TimestampSchema, Type.Null()], { description: "of the events that are there" }),
  last_timestamp: Type.Union([TimestampSchema, Type.Null()]),
  rate: Type.Union([Type.Number({ minimum: 0 }), Type.Null()], {
    description: "events stored a second, over at most the last minute; null until asked for a second time",
  }),
});
export type TopicRecord = Static<typeof TopicRecordSchema>;

/**
 * One element of `GET /duplicates`: a delivery that was dropped. `conflict` is null until it has been compared with
 * what is stored. A conflict carries what it said; its payload is null where it was larger than 64 KiB.
 */
export const DuplicateRecordSchema = Type.Object({
  topic: TopicSchema,
  event_id: EventIdSchema,
  source: SourceSchema,
  received_at: TimestampSchema,
  shard: Count,
  seq: Count,
  conflict: Type.Union([Type.Boolean(), Type.Null()]),
  timestamp: Type.Optional(TimestampSchema),
  payload: Type.Optional(Type.Union([PayloadSchema, Type.Null()])),
});
export type DuplicateRecord = Static<typeof DuplicateRecordSchema>;

/**
 * One element of `GET /dead-letters`. `GET /dead-letters/{shard}/{seq}` adds what was sent: `raw`, or `raw_base64`
 * where it is not UTF-8, and neither where it is deleted.
 */
export const DeadLetterSchema = Type.Object({
  shard: Count,
  seq: Count,
  deliveries: Type.Integer({ minimum: 1 }),
  sqlstate: Type.String(),
  reason: Type.String(),
  dead_at: TimestampSchema,
  state: Type.Union([Type.Literal("kept"), Type.Literal("replayed"), Type.Literal("deleted")]),
  resolved_at: Type.Union([TimestampSchema, Type.Null()]),
  bytes: Type.Union([Count, Type.Null()]),
  raw: Type.Optional(Type.String()),
  raw_base64: Type.Optional(Type.String()),
});
export type DeadLetterReply = Static<typeof DeadLetterSchema>;

/** One place that does not fit: a JSON pointer (RFC 6901) into the request's body, and what is wrong there. */
export const ProblemPlaceSchema = Type.Object({ pointer: Type.String(), detail: Type.String() });
export type ProblemPlace = Static<typeof ProblemPlaceSchema>;

/** Every error: RFC 9457 `application/problem+json`. */
export const ProblemSchema = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer({ minimum: 400, maximum: 599 }),
  detail: Type.Optional(Type.String()),
  errors: Type.Optional(Type.Array(ProblemPlaceSchema)),
  accepted: Type.Optional(
    Type.Integer({ minimum: 0, description: "Of a stream: how many of its leading lines are queued all the same" }),
  ),
});
export type Problem = Static<typeof ProblemSchema>;
