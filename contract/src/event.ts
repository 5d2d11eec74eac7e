/**
 * The event itself, as a TypeBox schema. One definition serves the compiled check, the static type and documentation.
 *
 * The rules for text (topic, event_id, timestamp, source) are TypeBox formats, because TypeBox counts UTF-16 units
 * where JSON Schema and Postgres count characters, and because no pattern knows the calendar. `formats.ts` has them in
 * the words of JSON Schema.
 */
import { FormatRegistry, type Static, Type } from "@sinclair/typebox";
import { eventIdFault, sourceFault, topicFault } from "./identifiers.ts";
import { PAYLOAD_DEPTH_MAX, SOURCE_CHARACTERS_MAX, TOPIC_CHARACTERS_MAX } from "./limits.ts";
import { instantFault, timestampFault } from "./timestamp.ts";

FormatRegistry.Set("sekali-topic", (value) => topicFault(value) === undefined);
FormatRegistry.Set("sekali-event-id", (value) => eventIdFault(value) === undefined);
FormatRegistry.Set("sekali-timestamp", (value) => timestampFault(value) === undefined);
FormatRegistry.Set("sekali-instant", (value) => instantFault(value) === undefined);
FormatRegistry.Set("sekali-source", (value) => sourceFault(value) === undefined);

export const TopicSchema = Type.String({
  format: "sekali-topic",
  description:
    `1 to ${TOPIC_CHARACTERS_MAX} characters: ` +
    "tokens separated by dots, without white space, control characters or * > #",
});

export const EventIdSchema = Type.String({
  format: "sekali-event-id",
  description: "Any UUID in the textual form of RFC 9562; upper and lower case are the same",
});

export const TimestampSchema = Type.String({
  format: "sekali-timestamp",
  description:
    "An ISO 8601 / RFC 3339 date and time that exists in the calendar, years 0001 to 9999, " +
    "at most six digits of a second; without an offset it is UTC",
});

/** A bound of a time span. */
export const InstantSchema = Type.String({
  format: "sekali-instant",
  description: "A timestamp with an offset: RFC 3339",
});

export const SourceSchema = Type.String({
  format: "sekali-source",
  description: `1 to ${SOURCE_CHARACTERS_MAX} characters`,
});

/** Any object. `Type.Record` would visit every field of every payload only to find it allowed. */
export const PayloadSchema = Type.Unsafe<Record<string, unknown>>(
  Type.Object({}, { description: `Any JSON object, nested at most ${PAYLOAD_DEPTH_MAX} levels deep` }),
);

export const EventSchema = Type.Object(
  {
    topic: TopicSchema,
    event_id: EventIdSchema,
    timestamp: TimestampSchema,
    source: SourceSchema,
    payload: PayloadSchema,
  },
  { additionalProperties: false, description: "One event; its identity is (topic, event_id)" },
);

export type Event = Static<typeof EventSchema>;
