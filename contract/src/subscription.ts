/** What a durable subscription is, as its maker writes it, and what its consumers send and get. */
import { FormatRegistry, type Static, Type } from "@sinclair/typebox";
import { topicPatternFault } from "./topic-pattern.ts";

/** A consumer that is given events and falls silent holds them for at most this long. */
export const ACK_TIMEOUT_S_DEFAULT = 30;
export const ACK_TIMEOUT_S_MAX = 12 * 3600;
export const DELIVERIES_MAX_DEFAULT = 10;
export const DELIVERIES_MAX_MAX = 1000;

FormatRegistry.Set("sekali-topic-pattern", (value) => topicPatternFault(value) === undefined);

/** The body of `PUT /subscriptions/{name}`. `from` is judged by whoever knows cursors. */
export const SubscriptionBodySchema = Type.Object(
  {
    topic: Type.Optional(Type.String({ format: "sekali-topic-pattern", description: "A topic or a pattern; all: >" })),
    from: Type.Optional(
      Type.String({ maxLength: 16_384, description: "now, beginning, a time of arrival, or the id of an event" }),
    ),
    ack_timeout_s: Type.Optional(Type.Integer({ minimum: 1, maximum: ACK_TIMEOUT_S_MAX })),
    deliveries_max: Type.Optional(Type.Integer({ minimum: 1, maximum: DELIVERIES_MAX_MAX })),
  },
  { additionalProperties: false },
);
export type SubscriptionBody = Static<typeof SubscriptionBodySchema>;

/** Events that one answer names. */
export const ACK_IDS_MAX = 1000;

/** The body of `POST /subscriptions/{name}/ack` and `…/nack`. */
export const AckBodySchema = Type.Object(
  { ack_ids: Type.Array(Type.String({ maxLength: 64 }), { minItems: 1, maxItems: ACK_IDS_MAX }) },
  { additionalProperties: false },
);
export type AckBody = Static<typeof AckBodySchema>;
