/** What a durable subscription is, as its maker writes it, and what its consumers send and get. */
import { FormatRegistry, type Static, Type } from "@sinclair/typebox";
import { TimestampSchema } from "./event.ts";
import { EventRecordSchema } from "./replies.ts";
import { topicPatternFault } from "./topic-pattern.ts";

const Count = Type.Integer({ minimum: 0 });

/** A consumer that is given events and falls silent holds them for at most this long. */
export const ACK_TIMEOUT_S_DEFAULT = 30;
export const ACK_TIMEOUT_S_MAX = 12 * 3600;
export const DELIVERIES_MAX_DEFAULT = 10;
export const DELIVERIES_MAX_MAX = 1000;

FormatRegistry.Set("sekali-topic-pattern", (value) => topicPatternFault(value) === undefined);
// Judged by whoever knows cursors.
FormatRegistry.Set("sekali-start", () => true);

/** Stands in URLs and logs without being quoted. */
export const SubscriptionNameSchema = Type.String({ pattern: "^[A-Za-z0-9._-]{1,64}$" });

export const TopicPatternSchema = Type.String({
  format: "sekali-topic-pattern",
  description: "A topic, or a pattern of topics: * stands for one token, > as the last one for one or more",
});

export const StartSchema = Type.String({
  format: "sekali-start",
  maxLength: 16_384,
  description: "now, beginning, a time of arrival, or the id of an event",
});

/** The body of `PUT /subscriptions/{name}`. */
export const SubscriptionBodySchema = Type.Object(
  {
    topic: Type.Optional(TopicPatternSchema),
    from: Type.Optional(StartSchema),
    ack_timeout_s: Type.Optional(Type.Integer({ minimum: 1, maximum: ACK_TIMEOUT_S_MAX })),
    deliveries_max: Type.Optional(Type.Integer({ minimum: 1, maximum: DELIVERIES_MAX_MAX })),
  },
  { additionalProperties: false },
);
export type SubscriptionBody = Static<typeof SubscriptionBodySchema>;

/** Events that one answer names. */
export const ACK_IDS_MAX = 1000;

/** Names shard, seq and attempt. */
export const AckIdSchema = Type.String({
  pattern: "^[0-9]{1,4}-[0-9]{1,15}-[0-9]{1,5}$",
  description: "Names an event and the attempt; `next` gave it out",
});

/** The body of `POST /subscriptions/{name}/ack` and `…/nack`. */
export const AckBodySchema = Type.Object(
  { ack_ids: Type.Array(AckIdSchema, { minItems: 1, maxItems: ACK_IDS_MAX }) },
  { additionalProperties: false },
);
export type AckBody = Static<typeof AckBodySchema>;

/** What stands under a subscription's name, and what is left to do. */
export const SubscriptionStateSchema = Type.Object({
  name: SubscriptionNameSchema,
  topic: TopicPatternSchema,
  from: StartSchema,
  ack_timeout_s: Type.Integer({ minimum: 1, maximum: ACK_TIMEOUT_S_MAX }),
  deliveries_max: Type.Integer({ minimum: 1, maximum: DELIVERIES_MAX_MAX }),
  created_at: TimestampSchema,
  lag: Type.Integer({ minimum: 0, description: "Deliveries that were not looked at yet, whether they match or not" }),
  outstanding: Type.Integer({ minimum: 0, description: "Events in the hands of consumers, or to be handed out again" }),
  dead: Count,
  expired: Type.Integer({ minimum: 0, description: "Deliveries that retention took before they were looked at" }),
});
export type SubscriptionReply = Static<typeof SubscriptionStateSchema>;

/** `GET /subscriptions/{name}/next` */
export const NextReplySchema = Type.Object({
  events: Type.Array(
    Type.Object({
      ack_id: AckIdSchema,
      delivery: Type.Integer({ minimum: 1, description: "How often the event has been handed out" }),
      event: EventRecordSchema,
    }),
  ),
});
export type NextReply = Static<typeof NextReplySchema>;

const StaleSchema = Type.Array(Type.String(), { description: "What had gone to somebody else, or was dealt with" });

/** `POST /subscriptions/{name}/ack` */
export const AckReplySchema = Type.Object({ acknowledged: Count, stale: StaleSchema });
export type AckReply = Static<typeof AckReplySchema>;

/** `POST /subscriptions/{name}/nack` */
export const NackReplySchema = Type.Object({ returned: Count, stale: StaleSchema });
export type NackReply = Static<typeof NackReplySchema>;

/** One element of `GET /subscriptions/{name}/dead-letters`. */
export const UndeliveredSchema = Type.Object({
  deliveries: Type.Integer({ minimum: 1 }),
  reason: Type.String(),
  dead_at: TimestampSchema,
  event: Type.Union([EventRecordSchema, Type.Null()], { description: "null where retention had taken it" }),
});
export type Undelivered = Static<typeof UndeliveredSchema>;
