/** What `POST /cloudevents` is. */
import { PublishReplySchema, SOURCE_CHARACTERS_MAX, StoredReplySchema, TopicSchema } from "@sekali/contract";
import { type TSchema, Type } from "@sinclair/typebox";
import { SENT_EVENT } from "../../openapi/examples.ts";
import type { Parameters } from "../../openapi/operation.ts";
import { OUTCOME_UNKNOWN, type Problem, type RequestError } from "../../problem.ts";
import { QUERY_REFUSED } from "../../query/parameters.ts";
import type { Endpoint } from "../../route.ts";
import { BODY_PROBLEMS } from "../body.ts";
import { unsupportedMediaType } from "../content-type.ts";
import { ACK_QUERY, ACK_REFUSED, INTAKE_PROBLEMS } from "../intake.ts";
import { CODING_HEADER, QUEUED_OR_STORED } from "../publish-endpoint.ts";
import { BATCHED, STRUCTURED } from "./modes.ts";

const BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";
/** Postgres takes no larger ones. */
const OFFSET = "(?:[Zz]|[+-](?:0[0-9]|1[0-5]):[0-5][0-9])$";
const ACCEPTED = [STRUCTURED, BATCHED];

export function noCloudEvent(): RequestError {
  return unsupportedMediaType("no-cloudevent", "No CloudEvent", ACCEPTED);
}

export function malformed(detail: string): Problem {
  return { status: 400, name: "malformed", title: "Malformed body", detail };
}

export function unfitting(errors: Problem["errors"] & {}): Problem {
  return {
    status: 422,
    name: "unacceptable",
    title: "CloudEvents do not fit",
    detail: "The body does not fit CloudEvents 1.0.",
    errors,
  };
}

/** Longer is no source of an event. */
const SOURCE_CHARACTERS = { minLength: 1, maxLength: SOURCE_CHARACTERS_MAX };

/** A number and a boolean are taken in their string form. */
function attribute(text: TSchema, description?: string) {
  return Type.Union([text, Type.Number(), Type.Boolean()], description === undefined ? {} : { description });
}

/** A member that is null is as good as absent. */
function absentable(text: TSchema, description?: string) {
  const either = Type.Union([text, Type.Number(), Type.Boolean(), Type.Null()]);
  return Type.Optional(description === undefined ? either : { ...either, description });
}

const Text = Type.String({ minLength: 1 });

/** The JSON event format. What URI references and date-times are, the SDK judges. */
const CloudEventSchema = Type.Object(
  {
    specversion: Type.Literal("1.0"),
    id: attribute(Text, "A UUID becomes the event_id; else that is made of `source` and `id`"),
    source: attribute(Type.String({ ...SOURCE_CHARACTERS, format: "uri-reference" })),
    type: attribute(TopicSchema, "The topic"),
    time: Type.Optional(
      Type.Union([Type.String({ format: "date-time", pattern: OFFSET }), Type.Null()], {
        description: "The timestamp, cut to microseconds; the arrival where absent. Leap seconds can't be kept",
      }),
    ),
    subject: absentable(Text),
    datacontenttype: absentable(Text, "The media type of the data"),
    dataschema: Type.Optional(Type.Union([Type.String({ minLength: 1, format: "uri" }), Type.Null()])),
    data: Type.Optional(Type.Unknown()),
    data_base64: Type.Optional(
      Type.Union([Type.String({ contentEncoding: "base64", pattern: BASE64 }), Type.Null()], {
        description: "Instead of `data`",
      }),
    ),
  },
  {
    description: "A CloudEvent 1.0 in the JSON event format, with attributes of any further name",
    propertyNames: { pattern: "^(?:[a-z0-9]+|data_base64)$" },
    additionalProperties: Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]),
    not: { required: ["data", "data_base64"], properties: { data_base64: { type: "string" } } },
  },
);

const { topic, event_id, source, timestamp, payload } = SENT_EVENT;
const CLOUDEVENT = { specversion: "1.0", id: event_id, source, type: topic, time: timestamp, data: payload };

const BINARY_HEADERS = {
  "ce-specversion": { schema: Type.String(), description: "`1.0`. This or one of the next three makes it binary." },
  "ce-id": { schema: Type.String(), description: "Of binary mode: the `id`." },
  "ce-source": { schema: Type.String(), description: "Of binary mode: the `source`." },
  "ce-type": { schema: Type.String(), description: "Of binary mode: the `type`. All other attributes likewise." },
  "ce-time": { schema: Type.String(), description: "Of binary mode: the `time`." },
} as const satisfies Parameters;

export const SEND_CLOUDEVENTS = {
  method: "POST",
  path: "/cloudevents",
  scope: "publish",
  operation: {
    id: "sendCloudEvents",
    tag: "Send",
    summary: "Send CloudEvents 1.0: structured, batched or binary",
    description:
      "Each becomes an event: `type` its topic, `source` and `id` its identity, `time` its timestamp, and the " +
      "whole of " +
      "it the payload. A batch is accepted all or nothing. In binary mode attributes are `ce-` headers, and the " +
      "body, of " +
      "any content type, is the data.",
    query: ACK_QUERY,
    headers: { ...CODING_HEADER, ...BINARY_HEADERS },
    body: {
      isRequired: true,
      content: {
        [STRUCTURED]: { schema: CloudEventSchema, examples: { structured: CLOUDEVENT } },
        [BATCHED]: { schema: Type.Array(CloudEventSchema), examples: { batched: [CLOUDEVENT] } },
      },
    },
    replies: {
      200: {
        description: "`queued`: on Redis's disk. `stored`: committed.",
        content: {
          "application/json": {
            ...QUEUED_OR_STORED["application/json"],
            schema: Type.Union([PublishReplySchema, StoredReplySchema]),
          },
        },
      },
    },
    problems: [
      malformed("The body is not valid JSON, or nests past any measure."),
      ...BODY_PROBLEMS,
      noCloudEvent().problem,
      unfitting([{ pointer: "/0/source", detail: "is missing or empty" }]),
      ACK_REFUSED,
      QUERY_REFUSED,
      ...INTAKE_PROBLEMS,
      OUTCOME_UNKNOWN,
    ],
  },
} as const satisfies Endpoint;
