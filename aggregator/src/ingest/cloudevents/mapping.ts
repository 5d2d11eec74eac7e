/**
 * A CloudEvent as an event of ours, whichever mode it was sent in.
 *
 * | event | from |
 * |---|---|
 * | `topic` | `type` |
 * | `event_id` | `id` where it is a UUID, else the UUIDv5 of `["source","id"]` |
 * | `timestamp` | `time`, cut to microseconds; the arrival where there is none |
 * | `source` | `source` |
 * | `payload` | the CloudEvent in the JSON event format: all attributes, as strings, and `data` or `data_base64` |
 *
 * Two modes carry the same CloudEvent in different clothes. So that it is one event without a conflict, attributes are
 * in their string form (section 3.1 of the specification), `datacontenttype` is left out where it says JSON in UTF-8,
 * which is what leaving it out means, and data is JSON, a string, or base64 by the same rule for all modes.
 *
 * The official SDK judges whether it is a CloudEvent. It does not give us the values: it makes up an `id` and a `time`
 * that are missing, cuts `time` to milliseconds, and passes numbers through doubles.
 */
import { eventIdFault, type ProblemPlace } from "@sekali/contract";
import { CloudEvent, type ValidationError } from "cloudevents";
import { v5 } from "uuid";

/** Names this scheme: the name is the JSON array of `source` and `id`. */
const CLOUDEVENTS_NAMESPACE = "6c685219-33ec-42d2-9981-6014026e86e3";

/** Attributes by name, `data` as a value that JSON.stringify writes, `data_base64` as text. */
export type Attributes = ReadonlyMap<string, unknown>;

export interface MappedEvent {
  readonly topic: string;
  readonly event_id: string;
  readonly timestamp: string;
  readonly source: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

export const REQUIRED: readonly string[] = ["specversion", "id", "source", "type"];
/** Absent, or not empty; an extension may be empty. */
const OPTIONAL = ["subject", "time", "datacontenttype", "dataschema"];
const DATA = ["data", "data_base64"];

/** @returns what is wrong with it as a CloudEvent 1.0, with pointers from the CloudEvent on. */
export function cloudEventFaults(attributes: Attributes): ProblemPlace[] {
  const missing = REQUIRED.filter((name) => textOf(attributes.get(name)) === undefined);
  if (missing.length > 0) return missing.map((name) => ({ pointer: `/${name}`, detail: "is missing or empty" }));
  if (attributes.get("specversion") !== "1.0") return [{ pointer: "/specversion", detail: "must be 1.0" }];
  for (const [name, value] of attributes) {
    if (DATA.includes(name)) continue;
    if (!/^[a-z0-9]+$/.test(name))
      return [{ pointer: pointerTo(name), detail: "is no name of an attribute: a-z, 0-9" }];
    if (value === "" && OPTIONAL.includes(name)) return [{ pointer: pointerTo(name), detail: "must not be empty" }];
    if (value !== "" && textOf(value) === undefined) {
      return [{ pointer: pointerTo(name), detail: "must be a string, a number or a boolean" }];
    }
  }
  const base64 = attributes.get("data_base64");
  if (base64 !== undefined && !isBase64(base64)) return [{ pointer: "/data_base64", detail: "must be base64" }];
  if (base64 !== undefined && attributes.has("data")) {
    return [{ pointer: "/data_base64", detail: "must not stand beside data" }];
  }
  return judgedBySdk(attributes);
}

/** @param attributes without faults */
export function mapCloudEvent(attributes: Attributes, arrival: Date): MappedEvent {
  const text = (name: string) => textOf(attributes.get(name)) ?? "";
  const payload: [string, unknown][] = [];
  for (const [name, value] of attributes) {
    if (DATA.includes(name)) payload.push([name, value]);
    else if (name !== "datacontenttype" || !isPlainJson(text(name))) payload.push([name, text(name)]);
  }
  return {
    topic: text("type"),
    event_id: eventIdOf(text("source"), text("id")),
    timestamp: attributes.has("time") ? toMicroseconds(text("time")) : arrival.toISOString(),
    source: text("source"),
    payload: Object.fromEntries(payload),
  };
}

export function eventIdOf(source: string, id: string): string {
  if (eventIdFault(id) === undefined) return id.toLowerCase();
  return v5(JSON.stringify([source, id]), CLOUDEVENTS_NAMESPACE);
}

/** Where a fault in the event of ours lies in the CloudEvent. */
export function pointerInCloudEvent(pointer: string): string {
  const names: Readonly<Record<string, string>> = {
    topic: "type",
    event_id: "id",
    timestamp: "time",
    source: "source",
  };
  if (pointer === "") return "";
  const [, name = "", ...rest] = pointer.split("/");
  return name === "payload" ? rest.map((token) => `/${token}`).join("") : `/${names[name] ?? name}`;
}

/** Whether data of this media type is JSON: none means so (JSON event format, section 3.1.1). */
export function isJsonType(datacontenttype: string): boolean {
  return datacontenttype === "" || /^[^;]*[/+]json\s*(;|$)/i.test(datacontenttype);
}

/** `application/json`, with no other charset than UTF-8. */
function isPlainJson(datacontenttype: string): boolean {
  return /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(datacontenttype);
}

/** An attribute in its canonical string form (section 3.1), or undefined where it has none. */
function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  if (typeof value === "boolean") return String(value);
  // A number that has kept its digits.
  if (typeof value === "object" && value !== null && "rawJSON" in value) return String(value.rawJSON);
  return undefined;
}

/** Schema and formats (URI references, date-times), as the SDK checks them for everybody. */
function judgedBySdk(attributes: Attributes): ProblemPlace[] {
  const known = [...attributes]
    .filter(([name]) => !DATA.includes(name))
    .map(([name, value]) => [name, textOf(value) ?? ""]);
  try {
    new CloudEvent(Object.fromEntries(known) as Record<string, string>);
    return [];
  } catch (error) {
    const { errors } = error as ValidationError;
    const [first] = Array.isArray(errors) ? errors : [];
    if (typeof first !== "object" || first === null) return [{ pointer: "", detail: "is no CloudEvent 1.0" }];
    return [{ pointer: first.instancePath, detail: first.message ?? "does not fit CloudEvents 1.0" }];
  }
}

/** Digits past the sixth are cut off: Go's SDK sends nanoseconds, and microseconds are what is kept. */
function toMicroseconds(time: string): string {
  return time.replace(/(\.\d{6})\d+/, "$1");
}

function isBase64(value: unknown): boolean {
  return typeof value === "string" && value.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(value);
}

function pointerTo(name: string): string {
  return `/${name.slice(0, 64).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
