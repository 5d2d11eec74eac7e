/** TypeBox schemas as JSON Schema 2020-12, the dialect of OpenAPI 3.1. */
import { FORMATS } from "@sekali/contract";
import type { TSchema } from "@sinclair/typebox";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type JsonSchema = { readonly [keyword: string]: Json };

/**
 * @param names what stands in `components.schemas` under a name; a schema that is equal to one of them becomes a
 * reference, but for the outermost of `schema` itself where `isNamed` says that it is the one that is being named.
 */
export function toJsonSchema(schema: TSchema, names: ReadonlyMap<string, string>, isNamed = false): JsonSchema {
  // Without the symbols that TypeBox keeps its own knowledge under.
  const plain = JSON.parse(JSON.stringify(schema)) as JsonSchema;
  return (isNamed ? mapMembers(plain, names) : convert(plain, names)) as JsonSchema;
}

/** What names a schema in the map that `toJsonSchema` takes. */
export function identityOf(schema: TSchema): string {
  return JSON.stringify(schema);
}

function convert(node: Json, names: ReadonlyMap<string, string>): Json {
  if (typeof node !== "object" || node === null) return node;
  if (isList(node)) return node.map((each) => convert(each, names));
  const name = names.get(JSON.stringify(node));
  return name === undefined ? mapMembers(node, names) : { $ref: `#/components/schemas/${name}` };
}

function mapMembers(node: { readonly [name: string]: Json }, names: ReadonlyMap<string, string>): Json {
  const members = Object.entries(node).map(([key, value]) => [key, convert(value, names)] as const);
  return withKeywordsOfFormat(withEnum(withAnyName(Object.fromEntries(members))));
}

/** What TypeBox writes for a record: members of any name. */
function withAnyName(node: JsonSchema): JsonSchema {
  const { patternProperties, ...rest } = node;
  if (patternProperties === undefined || !isObject(patternProperties)) return node;
  const { "^(.*)$": any, ...others } = patternProperties;
  return any === undefined || Object.keys(others).length > 0 ? node : { ...rest, additionalProperties: any };
}

/** Generators of clients know `enum`; a union of constants they don't. */
function withEnum(node: JsonSchema): JsonSchema {
  const { anyOf, ...rest } = node;
  if (anyOf === undefined || !isList(anyOf)) return node;
  const constants = anyOf.map((each) => (isObject(each) && typeof each["const"] === "string" ? each["const"] : null));
  return constants.includes(null) ? node : { type: "string", ...rest, enum: constants };
}

function withKeywordsOfFormat(node: JsonSchema): JsonSchema {
  const { format, ...rest } = node;
  const keywords = typeof format === "string" ? FORMATS[format] : undefined;
  return keywords === undefined ? node : { ...rest, ...keywords };
}

function isList(node: Json): node is readonly Json[] {
  return Array.isArray(node);
}

function isObject(node: Json): node is JsonSchema {
  return typeof node === "object" && node !== null && !isList(node);
}
