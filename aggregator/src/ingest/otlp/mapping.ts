/**
 * A log record of OTLP as an event of ours.
 *
 * | event | from |
 * |---|---|
 * | `topic` | the template: attributes of the record, else its scope, else its resource; `severity` is its range |
 * | `event_id` | `log.record.uid`, where the record has one; else what `OTLP_IDENTITY` says |
 * | `timestamp` | the record's time, else the observed time, else the arrival; to the microsecond |
 * | `source` | the resource's `service.name` |
 * | `payload` | below; what a record does not have is left out |
 *
 *     { "body": …, "attributes": {…}, "severity_number": 9, "severity_text": "INFO", "event_name": "…",
 *       "trace_id": "hex", "span_id": "hex", "flags": 1, "dropped_attributes_count": 1,
 *       "time_unix_nano": "…", "observed_time_unix_nano": "…",
 *       "scope": { "name": "…", "version": "…", "attributes": {…}, "schema_url": "…" },
 *       "resource": { "attributes": {…}, "schema_url": "…" } }
 *
 * Of an attribute that is there twice the last value counts. Integers keep their digits; bytes are base64; NaN and
 * infinities, which JSON has no numbers for, are strings, as in OTLP's own JSON, and so are doubles closer to 0 than
 * the contract's numbers. NUL, which Postgres can't keep, stands as U+FFFD, and `nul_replaced` says how often:
 * exporters would drop the record, and no person could mend it.
 */
import { eventIdFault, fillTopic, NUMBER_EXPONENT_MAX } from "@sekali/contract";
import { v5, v7 } from "uuid";
import { rawNumber } from "../exact-json.ts";
import type { AnyValue, KeyValue } from "./generated/opentelemetry/proto/common/v1/common_pb.js";
import type { LogRecord, ResourceLogs, ScopeLogs } from "./generated/opentelemetry/proto/logs/v1/logs_pb.js";
import { severityName } from "./severity.ts";

/** Names the scheme of `log.record.uid` that is no UUID: the name is the uid. */
const UID_NAMESPACE = "79193c2b-8d6d-4579-92c0-ae1bb77970b8";
/** Names the scheme of content: the name is the event as JSON, without its id. */
const CONTENT_NAMESPACE = "3c42f47f-3792-4c71-bb4b-94335424c57c";

const UID_ATTRIBUTE = "log.record.uid";
const UNKNOWN_SERVICE = "unknown_service";
const NANOS_A_MICRO = 1000n;
const MICROS_A_SECOND = 1_000_000n;
const DOUBLE_MIN = Number(`1e-${NUMBER_EXPONENT_MAX}`);

export interface MappingSettings {
  readonly topicTemplate: string;
  /** Of records without an id of their own: by their content, or a fresh one for each delivery. */
  readonly identity: "content" | "random";
}

export interface MappedRecord {
  readonly topic: string;
  readonly event_id: string;
  readonly timestamp: string;
  readonly source: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

type Values = Readonly<Record<string, unknown>>;

/** Texts as they can be kept, and how many characters of them could not be. */
class Texts {
  nuls = 0;

  of(text: string): string {
    if (!text.includes("\0")) return text;
    this.nuls += text.split("\0").length - 1;
    return text.replaceAll("\0", "\uFFFD");
  }
}

/** What the records of one scope share, worked out once. */
export class RecordMapper {
  readonly #settings: MappingSettings;
  readonly #arrival: Date;
  readonly #resource: Values;
  readonly #scope: Values;
  readonly #shared: Values;
  readonly #sharedNuls: number;
  readonly #source: string;

  constructor(settings: MappingSettings, arrival: Date, ofResource: ResourceLogs, ofScope: ScopeLogs) {
    this.#settings = settings;
    this.#arrival = arrival;
    const texts = new Texts();
    this.#resource = attributesOf(ofResource.resource?.attributes ?? [], texts);
    this.#scope = attributesOf(ofScope.scope?.attributes ?? [], texts);
    const scope = present({
      name: texts.of(ofScope.scope?.name ?? ""),
      version: texts.of(ofScope.scope?.version ?? ""),
      attributes: this.#scope,
      schema_url: texts.of(ofScope.schemaUrl),
    });
    const resource = present({ attributes: this.#resource, schema_url: texts.of(ofResource.schemaUrl) });
    this.#shared = present({ scope, resource });
    this.#sharedNuls = texts.nuls;
    const { "service.name": service } = this.#resource;
    this.#source = typeof service === "string" && service !== "" ? cut(service) : UNKNOWN_SERVICE;
  }

  map(record: LogRecord): MappedRecord {
    const texts = new Texts();
    const attributes = attributesOf(record.attributes, texts);
    const topic = fillTopic(this.#settings.topicTemplate, (name) => {
      if (name === "severity") return severityName(record.severityNumber);
      const value = attributes[name] ?? this.#scope[name] ?? this.#resource[name];
      return value === undefined ? undefined : String(plain(value));
    });
    const timestamp = timestampOf(record) ?? this.#arrival.toISOString();
    const own = payloadOf(record, attributes, texts);
    const payload = { ...own, ...this.#shared, ...present({ nul_replaced: texts.nuls + this.#sharedNuls }) };
    const event = { topic, timestamp, source: this.#source, payload };
    return { ...event, event_id: this.#eventIdOf(attributes[UID_ATTRIBUTE], event) };
  }

  #eventIdOf(uid: unknown, event: object): string {
    if (typeof uid === "string" && uid !== "") {
      return eventIdFault(uid) === undefined ? uid.toLowerCase() : v5(uid, UID_NAMESPACE);
    }
    return this.#settings.identity === "content" ? v5(JSON.stringify(event), CONTENT_NAMESPACE) : v7();
  }
}

function payloadOf(record: LogRecord, attributes: Values, texts: Texts): Values {
  const { body } = record;
  return {
    ...(body?.value.case === undefined ? {} : { body: jsonOf(body, texts) }),
    ...present({
      attributes,
      severity_number: record.severityNumber,
      severity_text: texts.of(record.severityText),
      event_name: texts.of(record.eventName),
      trace_id: Buffer.from(record.traceId).toString("hex"),
      span_id: Buffer.from(record.spanId).toString("hex"),
      flags: record.flags,
      dropped_attributes_count: record.droppedAttributesCount,
      time_unix_nano: record.timeUnixNano === 0n ? "" : String(record.timeUnixNano),
      observed_time_unix_nano: record.observedTimeUnixNano === 0n ? "" : String(record.observedTimeUnixNano),
    }),
  };
}

/** Without what protobuf calls unset: "", 0, nothing in it. */
function present(values: Values): Values {
  const isThere = (value: unknown) =>
    typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);
  return Object.fromEntries(Object.entries(values).filter(([, value]) => isThere(value)));
}

function attributesOf(attributes: readonly KeyValue[], texts: Texts): Values {
  return Object.fromEntries(attributes.map(({ key, value }) => [texts.of(key), jsonOf(value, texts)]));
}

function jsonOf(any: AnyValue | undefined, texts: Texts): unknown {
  switch (any?.value.case) {
    case "stringValue":
      return texts.of(any.value.value);
    case "boolValue":
      return any.value.value;
    case "intValue":
      return rawNumber(String(any.value.value));
    case "doubleValue":
      return numberOf(any.value.value);
    case "bytesValue":
      return Buffer.from(any.value.value).toString("base64");
    case "arrayValue":
      return any.value.value.values.map((value) => jsonOf(value, texts));
    case "kvlistValue":
      return attributesOf(any.value.value.values, texts);
    default:
      return null;
  }
}

/** The double itself, or as text what is no number that the contract takes. */
function numberOf(double: number): number | string {
  const isNumber = Number.isFinite(double) && (double === 0 || Math.abs(double) >= DOUBLE_MIN);
  return isNumber ? double : String(double);
}

/** A value as a person would write it into a topic. */
function plain(value: unknown): unknown {
  return typeof value === "object" ? JSON.stringify(value) : value;
}

/** Nanoseconds since 1970 in ISO 8601, cut to microseconds. `Date` alone has milliseconds only. */
function timestampOf({ timeUnixNano, observedTimeUnixNano }: LogRecord): string | undefined {
  const nanos = timeUnixNano || observedTimeUnixNano;
  if (nanos === 0n) return undefined;
  const micros = nanos / NANOS_A_MICRO;
  const seconds = new Date(Number(micros / MICROS_A_SECOND) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(micros % MICROS_A_SECOND).padStart(6, "0")}Z`;
}

function cut(text: string): string {
  return Array.from(text).slice(0, 255).join("");
}
