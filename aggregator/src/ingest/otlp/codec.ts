/**
 * OTLP's two encodings of requests and replies: protobuf, and JSON that is nearly protobuf's own (ids in hex, unknown
 * fields ignored). A reply is in the encoding of its request.
 *
 * Source: the OTLP specification 1.x, "OTLP/HTTP".
 */
import {
  create,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonValue,
  type MessageShape,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import type { ProblemPlace } from "@sekali/contract";
import { StatusSchema } from "./generated/google/rpc/status_pb.js";
import {
  ExportLogsPartialSuccessSchema,
  type ExportLogsServiceRequest,
  ExportLogsServiceRequestSchema,
  ExportLogsServiceResponseSchema,
} from "./generated/opentelemetry/proto/collector/logs/v1/logs_service_pb.js";
import { countMessages, countObjects } from "./message-count.ts";

export type Encoding = "protobuf" | "json";

export const MEDIA_TYPES: Readonly<Record<Encoding, string>> = {
  protobuf: "application/x-protobuf",
  json: "application/json",
};

/** The request holds more messages than one may. */
export class TooManyMessages extends Error {
  override readonly name = "TooManyMessages";
}

/** @throws TooManyMessages before any is made; something else for what is no request. */
export function decodeRequest(bytes: Uint8Array, encoding: Encoding, messagesMax: number): ExportLogsServiceRequest {
  const count =
    encoding === "protobuf"
      ? countMessages(ExportLogsServiceRequestSchema, bytes, messagesMax)
      : countObjects(bytes, messagesMax);
  if (count > messagesMax) throw new TooManyMessages();
  if (encoding === "protobuf") return fromBinary(ExportLogsServiceRequestSchema, bytes);
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  const json = JSON.parse(text, revive) as JsonValue;
  return fromJson(ExportLogsServiceRequestSchema, json, { ignoreUnknownFields: true });
}

/** By both names that the decoder takes: the hexadecimal of one would pass for the base64 of another id. */
const IDS: ReadonlySet<string> = new Set(["traceId", "trace_id", "spanId", "span_id"]);

/**
 * Ids become the base64 that protobuf's JSON has for bytes. Integers past 2^53 stay text, which is allowed, too. Half
 * of a surrogate pair, which the end of a text that was cut can be, becomes U+FFFD, as in the bytes of protobuf: the
 * decoder would refuse the request, with all the other records.
 */
function revive(key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value === "string") return IDS.has(key) ? hexToBase64(value) : value.toWellFormed();
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  return /^-?\d+$/.test(context?.source ?? "") ? context?.source : value;
}

function hexToBase64(hex: string): string {
  if (!/^([0-9a-f]{2})*$/i.test(hex)) throw new SyntaxError("an id is not hexadecimal");
  return Buffer.from(hex, "hex").toString("base64");
}

/** @param rejected is empty where all was accepted: then there is no `partial_success`. */
export function exportResponse(encoding: Encoding, rejectedCount: number, errorMessage: string): Response {
  const message = create(ExportLogsServiceResponseSchema);
  if (rejectedCount > 0) {
    message.partialSuccess = create(ExportLogsPartialSuccessSchema, {
      rejectedLogRecords: BigInt(rejectedCount),
      errorMessage,
    });
  }
  return respond(encoding, 200, ExportLogsServiceResponseSchema, message, {});
}

/** Codes of google.rpc.Code; the HTTP status is what exporters act on. */
export const RPC_CODES: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  413: 3,
  415: 3,
  422: 3,
  429: 8,
  500: 13,
  503: 14,
};
const RPC_UNKNOWN = 2;

export function statusResponse(
  encoding: Encoding,
  status: number,
  message: string,
  headers: Readonly<Record<string, string>>,
): Response {
  const body = create(StatusSchema, { code: RPC_CODES[status] ?? RPC_UNKNOWN, message });
  return respond(encoding, status, StatusSchema, body, headers);
}

function respond<Desc extends DescMessage>(
  encoding: Encoding,
  status: number,
  schema: Desc,
  message: MessageShape<Desc>,
  headers: Readonly<Record<string, string>>,
): Response {
  const body = encoding === "protobuf" ? new Uint8Array(toBinary(schema, message)) : toJsonString(schema, message);
  return new Response(body, { status, headers: { ...headers, "content-type": MEDIA_TYPES[encoding] } });
}

/** The first few places, in one line. */
export function describePlaces(places: readonly ProblemPlace[]): string {
  return places.map(({ pointer, detail }) => `${pointer} ${detail}`).join("; ");
}
