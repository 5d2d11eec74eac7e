/**
 * The three modes in which CloudEvents 1.0 travel over HTTP, read into attributes.
 *
 * - structured: `application/cloudevents+json`, one CloudEvent in the JSON event format
 * - batched: `application/cloudevents-batch+json`, an array of them
 * - binary: any other content type; attributes are `ce-` headers, and the body is the data
 */
import { parseExact } from "../exact-json.ts";
import { type Attributes, isJsonType } from "./mapping.ts";

export const STRUCTURED = "application/cloudevents+json";
export const BATCHED = "application/cloudevents-batch+json";

/** The body can't be read as what it says it is. */
export class NotReadable extends Error {
  override readonly name = "NotReadable";
}

/** @returns undefined for what is no object, at its place. */
export function readStructured(text: string): Attributes | undefined {
  return attributesOf(parse(text));
}

export function readBatch(text: string): (Attributes | undefined)[] {
  const parsed = parse(text);
  if (!Array.isArray(parsed)) throw new NotReadable("A batch of CloudEvents is a JSON array.");
  return parsed.map(attributesOf);
}

/** @param headers of the request; `content-type` is the data's own. */
export function readBinary(headers: Headers, body: Uint8Array): Attributes {
  const attributes = new Map<string, unknown>();
  for (const [name, value] of headers) {
    if (name.startsWith("ce-")) attributes.set(name.slice("ce-".length), headerText(value));
  }
  const type = headers.get("content-type") ?? "";
  if (type !== "") attributes.set("datacontenttype", type);
  if (body.length === 0) return attributes;
  const text = decode(body);
  if (isJsonType(type)) attributes.set("data", jsonData(text));
  else if (text !== undefined && isTextType(type)) attributes.set("data", text);
  else attributes.set("data_base64", Buffer.from(body).toString("base64"));
  return attributes;
}

/** What structured mode has as a string: text by name, and XML. */
function isTextType(type: string): boolean {
  return /^(text\/|[^;]*[/+]xml\b)/i.test(type);
}

/**
 * The JavaScript SDK sends data that is a string as it is, and calls it JSON; it reads a body that begins like no JSON
 * as a string, too. So do we, else its emitter would not work.
 */
function jsonData(text: string | undefined): unknown {
  if (text === undefined) throw new NotReadable("The body says that it is JSON, and is not UTF-8.");
  try {
    return parseExact(text);
  } catch {
    if (!/^\s*[[{"]/.test(text)) return text;
    throw new NotReadable("The body is not valid JSON.");
  }
}

/** A quoted string of HTTP (RFC 9110 section 5.6.4), whole. */
const QUOTED = /^"(?:[^"\\]|\\.)*"$/;

/**
 * Section 3.1.3.2 of the HTTP binding: first out of its quotes, then percent-decoded, once. What is not percent-encoded
 * UTF-8 is taken as it is.
 */
function headerText(value: string): string {
  const text = QUOTED.test(value) ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function attributesOf(value: unknown): Attributes | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value) || "rawJSON" in value) return undefined;
  // A member that is null is as good as absent (JSON event format, section 2.2), except data, where it is a value.
  return new Map(Object.entries(value).filter(([name, member]) => member !== null || name === "data"));
}

function parse(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    throw new NotReadable("The body is not valid JSON, or nests past any measure.");
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function decode(body: Uint8Array): string | undefined {
  try {
    return decoder.decode(body);
  } catch {
    return undefined;
  }
}

export function decodeText(body: Uint8Array): string {
  const text = decode(body);
  if (text === undefined) throw new NotReadable("The body is not valid UTF-8.");
  return text;
}
