/** What the aggregator reports of itself. As with all replies, a reply may carry more than these schemas say. */
import { type Static, Type } from "@sinclair/typebox";
import { TimestampSchema, TopicSchema } from "./event.ts";

const Count = Type.Integer({ minimum: 0 });

/** A shard whose next batch can't be stored at the moment. */
export const StuckShardSchema = Type.Object({
  shard: Count,
  stuck_seconds: Count,
  oldest_delivery_seconds: Type.Union([Count, Type.Null()], { description: "null where it is not known" }),
});
export type StuckShard = Static<typeof StuckShardSchema>;

const TopicCountSchema = Type.Object({
  unique_processed: Count,
  duplicate_dropped: Count,
  conflicts: Count,
  dead_lettered: Count,
});

/** In each, `received = unique_processed + duplicate_dropped + dead_lettered + queued` (P3). */
const COUNTS = {
  received: Type.Integer({ minimum: 0, description: "Deliveries that were acknowledged: the sum of the four below" }),
  unique_processed: Type.Integer({ minimum: 0, description: "Deliveries that were stored, and so: events" }),
  duplicate_dropped: Count,
  dead_lettered: Count,
  queued: Count,
};
export const StatsCountsSchema = Type.Object(COUNTS);
export type StatsCounts = Static<typeof StatsCountsSchema>;

/** `GET /stats` */
export const StatsReplySchema = Type.Object({
  ...COUNTS,
  conflicts: Type.Integer({ minimum: 0, description: "Of the dropped: those that said something else" }),
  dead_letters_open: Type.Integer({
    minimum: 0,
    description: "Of the dead-lettered: what is neither replayed nor deleted",
  }),
  lost: Type.Integer({ minimum: 0, description: "Acknowledged deliveries that Redis has lost" }),
  topics: Type.Array(TopicSchema),
  uptime: Type.String({ pattern: "^[0-9]+:[0-5][0-9]:[0-5][0-9]$", description: "H:MM:SS" }),
  topic_counts: Type.Record(Type.String(), TopicCountSchema, { description: "by topic" }),
  resending: Type.Object(
    {
      duplicates: Count,
      since: Type.Union([TimestampSchema, Type.Null()]),
      sources: Type.Array(Type.Object({ source: Type.String(), duplicates: Count, conflicts: Count })),
    },
    { description: "The sources that resend most, among the newest dropped deliveries" },
  ),
  stuck_shards: Type.Array(StuckShardSchema),
});
export type StatsReply = Static<typeof StatsReplySchema>;

/**
 * `GET /stats/history`. Times are by the clock of the process that answers, which remembers nothing of before `since`:
 * it began then.
 */
export const StatsHistoryReplySchema = Type.Object({
  since: TimestampSchema,
  now: TimestampSchema,
  interval_s: Type.Number({ exclusiveMinimum: 0, description: "From one sample to the next" }),
  samples: Type.Array(
    Type.Object({
      at: TimestampSchema,
      counts: Type.Union([StatsCountsSchema, Type.Null()], { description: "null: Redis or Postgres was away" }),
    }),
  ),
});
export type StatsHistoryReply = Static<typeof StatsHistoryReplySchema>;

/** `GET /healthz` */
export const HealthReplySchema = Type.Object({ status: Type.Literal("alive") });
export type HealthReply = Static<typeof HealthReplySchema>;

/** `GET /readyz`, whether it says yes or no. */
export const ReadinessReplySchema = Type.Object({
  status: Type.Union([
    Type.Literal("ready"),
    Type.Literal("degraded"),
    Type.Literal("not ready"),
    Type.Literal("draining"),
  ]),
  roles: Type.Array(Type.Union([Type.Literal("api"), Type.Literal("worker")])),
  dependencies: Type.Object({
    redis: Type.Object({
      status: Type.Union([Type.Literal("up"), Type.Literal("away"), Type.Literal("foreign")]),
      durability_warnings: Type.Array(Type.String(), { description: "What Redis's settings give up" }),
    }),
    postgres: Type.Object({ status: Type.Union([Type.Literal("up"), Type.Literal("away")]) }),
  }),
  stuck_shards: Type.Array(StuckShardSchema),
  access: Type.Object({
    mode: Type.Union([Type.Literal("open"), Type.Literal("keys")], {
      description: "Whether callers are asked for keys",
    }),
    warnings: Type.Array(Type.String()),
  }),
});
export type ReadinessReply = Static<typeof ReadinessReplySchema>;

const PlaceSchema = Type.Object({ epoch: Count, seq: Count });

/** `GET /workers`. What can't be asked at the moment is null. */
export const WorkersReplySchema = Type.Object({
  loops: Type.Array(
    Type.Object({
      loop: Count,
      state: Type.Union([Type.Literal("idle"), Type.Literal("holding")]),
      shard: Type.Union([Count, Type.Null()]),
      seconds: Type.Integer({ minimum: 0, description: "in that state" }),
    }),
  ),
  shards: Type.Union([
    Type.Array(
      Type.Object({
        shard: Count,
        position: PlaceSchema,
        head: Type.Union([PlaceSchema, Type.Null()]),
        queued: Type.Union([Count, Type.Null()]),
        stuck: Type.Union([StuckShardSchema, Type.Null()]),
      }),
    ),
    Type.Null(),
  ]),
});
export type WorkersReply = Static<typeof WorkersReplySchema>;
