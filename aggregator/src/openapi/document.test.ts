import { describe, expect, test } from "bun:test";
import { instantFault, timestampFault } from "@sekali/contract";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { version } from "../../package.json";
import type { Endpoint } from "../route.ts";
import { CATALOGUE } from "./catalogue.ts";
import { describeApi } from "./document.ts";

/** The document as others read it. */
const document = JSON.parse(JSON.stringify(describeApi(CATALOGUE, version)));

type Node = { readonly [name: string]: unknown };

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addFormat("sekali-timestamp", (text) => timestampFault(text) === undefined);
ajv.addFormat("sekali-instant", (text) => instantFault(text) === undefined);
for (const format of ["sekali-start", "sekali-cursor", "binary"]) ajv.addFormat(format, true);
ajv.addSchema(document, "openapi.json");

/** All nodes of the document with their place, as a JSON pointer. */
function* nodesOf(node: unknown, pointer = ""): Generator<{ pointer: string; node: Node }> {
  if (typeof node !== "object" || node === null) return;
  if (!Array.isArray(node)) yield { pointer, node: node as Node };
  for (const [name, value] of Object.entries(node)) {
    yield* nodesOf(value, `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`);
  }
}

/** Each example with the place of the schema that it must fit. */
const examples = [...nodesOf(document)].flatMap(({ pointer, node }) => {
  const schema = `openapi.json#${encodeURI(pointer)}/schema`;
  if (typeof node["schema"] !== "object") return [];
  const named = Object.entries((node["examples"] ?? {}) as Record<string, { value: unknown }>);
  const found = named.map(([name, { value }]) => ({ place: `${pointer}/examples/${name}`, schema, value }));
  return "example" in node ? [...found, { place: `${pointer}/example`, schema, value: node["example"] }] : found;
});

describe("the document", () => {
  test("fits OpenAPI 3.1's own schema", async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document));
    expect(errors ?? []).toEqual([]);
    expect(valid).toBe(true);
    expect(document.openapi).toBe("3.1.0");
    expect(document.info.version).toBe(version);
  });

  test("holds every endpoint of the catalogue once, and nothing else", () => {
    const described = Object.entries<Node>(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const listed = CATALOGUE.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
    expect(described.sort()).toEqual(listed.sort());
    const ids = CATALOGUE.map(({ operation }) => operation.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("names what it refers to, and uses what it names", () => {
    const text = JSON.stringify(document);
    const referred = new Set([...text.matchAll(/"\$ref":"#\/components\/(\w+\/\w+)"/g)].map(([, place]) => place));
    const named = ["schemas", "responses"].flatMap((kind) =>
      Object.keys(document.components[kind]).map((name) => `${kind}/${name}`),
    );
    expect([...referred].sort()).toEqual(named.sort());
  });

  test("asks for a key where the route does, and says what is said without one", () => {
    for (const { method, path, scope } of CATALOGUE) {
      const operation = document.paths[path.replace(/:(\w+)/g, "{$1}")][method.toLowerCase()];
      const isScoped = scope !== "anybody";
      expect(operation.security.length > 0).toBe(isScoped);
      // Signing in asks for a key in another way.
      const statuses = operation.tags[0] === "Watch" && !isScoped ? [] : [401, 403];
      for (const status of statuses) expect([path, status in operation.responses]).toEqual([path, isScoped]);
      expect(operation.responses).toHaveProperty("500");
    }
  });

  test("says of what publishes, and of nothing else, that a quota may be used up, and when to come back", () => {
    const bounded = CATALOGUE.flatMap(({ method, path, operation: { id } }) => {
      const { responses } = document.paths[path.replace(/:(\w+)/g, "{$1}")][method.toLowerCase()];
      if (!("429" in responses)) return [];
      expect(responses["429"].headers["Retry-After"].required).toBe(true);
      return [id];
    });
    expect(bounded.toSorted()).toEqual(["publish", "replayDeadLetter", "sendCloudEvents", "sendOtlpLogs"]);
  });

  test("has an example of each body and each problem", () => {
    for (const { pointer, node } of nodesOf(document.paths)) {
      const isJson = /\/application~1[\w.+-]*json$/.test(pointer) && typeof node["schema"] === "object";
      if (isJson && !pointer.startsWith("/~1openapi.json"))
        expect([pointer, "examples" in node]).toEqual([pointer, true]);
    }
  });
});

describe("an example fits its schema", () => {
  test.each(examples.map((example) => [example.place, example] as const))("%s", (_, { schema, value }) => {
    const check = ajv.getSchema(schema);
    if (check === undefined) throw new Error(`no schema at ${schema}`);
    check(value);
    expect(check.errors ?? []).toEqual([]);
  });

  test("and one that does not is found", () => {
    const check = ajv.getSchema("openapi.json#/components/schemas/Event");
    expect(check?.({ ...document.paths["/publish"].post.requestBody, topic: "a b" })).toBe(false);
  });
});

test("a path whose parameters are not described makes no document", () => {
  const [endpoint] = CATALOGUE.filter(({ path }) => path.includes(":"));
  const undescribed = { ...endpoint, path: "/events/:id" } as Endpoint;
  expect(() => describeApi([undescribed], version)).toThrow("/events/:id");
});
