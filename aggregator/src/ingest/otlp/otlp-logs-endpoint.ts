/** What `POST /v1/logs` is. */
import { Type } from "@sinclair/typebox";
import { notCovered } from "../../access/covered.ts";
import type { Content, Reply, ReplyHeader } from "../../openapi/operation.ts";
import { OVERLOADED, overQuota, type Problem, QUEUE_AWAY, type RequestError } from "../../problem.ts";
import type { Endpoint } from "../../route.ts";
import { unsupportedCoding } from "../content-coding.ts";
import { unsupportedMediaType } from "../content-type.ts";
import { FOREIGN_TOPIC, TOO_MANY_TOPICS } from "../intake.ts";
import { CODING_HEADER } from "../publish-endpoint.ts";
import { type Encoding, MEDIA_TYPES, RPC_CODES } from "./codec.ts";

export function notOtlp(): RequestError {
  return unsupportedMediaType("not-otlp", "Not OTLP", [MEDIA_TYPES.protobuf, MEDIA_TYPES.json]);
}

export function badData(detail: string): Problem {
  return { status: 400, name: "malformed", title: "Bad data", detail };
}

const REASON_CHARACTERS_MAX = 200;

/** @param reason the decoder's, for the developer who has to find the place; it may quote the body. */
export function notDecoded(encoding: Encoding, reason: string): string {
  const quoted = reason
    .slice(0, REASON_CHARACTERS_MAX)
    .replaceAll(/\p{Cc}/gu, " ")
    .toWellFormed();
  return `The body is no ExportLogsServiceRequest in ${MEDIA_TYPES[encoding]}: ${quoted}`;
}

export function tooLarge(detail: string): Problem {
  return { status: 413, name: "body-too-large", title: "Too large", detail };
}

const REQUEST = {
  resourceLogs: [
    {
      resource: { attributes: [{ key: "service.name", value: { stringValue: "web-frontend" } }] },
      scopeLogs: [
        {
          logRecords: [
            {
              timeUnixNano: "1769860800123456000",
              severityNumber: 9,
              body: { stringValue: "signed in" },
              attributes: [{ key: "log.record.uid", value: { stringValue: "9b2f4e70-3c1d-4c58-9d52-6d1d5d0c7a11" } }],
            },
          ],
        },
      ],
    },
  ],
};

/** Its fields are OpenTelemetry's to describe; unknown ones are ignored. */
const RequestSchema = Type.Object(
  { resourceLogs: Type.Optional(Type.Union([Type.Array(Type.Object({})), Type.Null()])) },
  { description: "ExportLogsServiceRequest in OTLP's JSON" },
);

const ReplySchema = Type.Object(
  {
    partialSuccess: Type.Optional(
      Type.Object({
        rejectedLogRecords: Type.Optional(Type.String({ pattern: "^[0-9]+$" })),
        errorMessage: Type.Optional(Type.String()),
      }),
    ),
  },
  { description: "ExportLogsServiceResponse in OTLP's JSON" },
);

const StatusSchema = Type.Object(
  { code: Type.Optional(Type.Integer()), message: Type.Optional(Type.String()) },
  { description: "google.rpc.Status in JSON" },
);

function protobuf(message: string) {
  return { schema: Type.String({ description: `${message} in protobuf`, format: "binary" }) };
}

/** A failure in the encoding of the request. */
function status(description: string, examples: readonly Problem[]): Reply {
  const named = examples.map(({ name = "", status: of, detail }) => [name, { code: RPC_CODES[of], message: detail }]);
  const content: Content = {
    [MEDIA_TYPES.json]: { schema: StatusSchema, examples: Object.fromEntries(named) },
    [MEDIA_TYPES.protobuf]: protobuf("google.rpc.Status"),
  };
  return { description, content };
}

const RETRY_AFTER = {
  "retry-after": { schema: Type.Integer({ minimum: 1 }), description: "In seconds.", isRequired: true },
} as const satisfies Readonly<Record<string, ReplyHeader>>;

export const SEND_OTLP_LOGS = {
  method: "POST",
  path: "/v1/logs",
  scope: "publish",
  operation: {
    id: "sendOtlpLogs",
    tag: "Send",
    summary: "Send OpenTelemetry logs: OTLP/HTTP, protobuf or JSON",
    description:
      "Each log record becomes an event; what can't be kept is named in `partial_success`. Replies are in the " +
      "encoding " +
      "of the request, failures as google.rpc.Status. What can be retried is a 503 with `Retry-After`.",
    headers: CODING_HEADER,
    body: {
      isRequired: true,
      content: {
        [MEDIA_TYPES.protobuf]: protobuf("ExportLogsServiceRequest"),
        [MEDIA_TYPES.json]: { schema: RequestSchema, examples: { request: REQUEST } },
      },
    },
    replies: {
      200: {
        description: "Queued, on Redis's disk; but for what `partial_success` rejects.",
        content: {
          [MEDIA_TYPES.json]: {
            schema: ReplySchema,
            examples: {
              all: {},
              "not all": { partialSuccess: { rejectedLogRecords: "1", errorMessage: "/3/topic must not be empty" } },
            },
          },
          [MEDIA_TYPES.protobuf]: protobuf("ExportLogsServiceResponse"),
        },
      },
      400: status("Bad data: no request, or none of its records can be kept.", [
        badData(notDecoded("json", "cannot decode message opentelemetry.proto.common.v1.AnyValue from JSON: 5")),
      ]),
      403: status("None of the topics is one of this key's.", [notCovered(`/0/topic ${FOREIGN_TOPIC}`).problem]),
      413: status("Too large.", [
        tooLarge("A request may hold at most 524288 records, attributes and values together."),
      ]),
      415: status("A content coding that is not taken.", [
        unsupportedCoding("This content coding is not known here").problem,
      ]),
      422: status("There is no room for the topics.", [TOO_MANY_TOPICS]),
      429: { ...status("The key's quota is used up.", [overQuota(1)]), headers: RETRY_AFTER },
      503: {
        ...status("Overloaded, or the queue is away: try again.", [OVERLOADED, QUEUE_AWAY]),
        headers: RETRY_AFTER,
      },
    },
    problems: [notOtlp().problem],
  },
} as const satisfies Endpoint;
