/**
 * The contract as a document: OpenAPI 3.1, made of what the routes say of themselves.
 *
 * What all routes share is added here: keys (401, 403) where a scope asks for one, 431 and 500.
 */
import { ProblemSchema } from "@sekali/contract";
import { Type } from "@sinclair/typebox";
import type {
  ExampleObject,
  HeaderObject,
  MediaTypeObject,
  OpenAPIObject,
  OperationObject,
  ParameterLocation,
  ParameterObject,
  PathItemObject,
  ResponseObject,
  SchemaObject,
  SecurityRequirementObject,
} from "openapi3-ts/oas31";
import { INTERNAL, PROBLEM_TYPE, type Problem, problemBody } from "../problem.ts";
import type { Endpoint, Scope } from "../route.ts";
import { ABOUT, HEADERS_TOO_LARGE, SECURITY_SCHEMES, SHARED_PROBLEMS } from "./about.ts";
import { HEADERS } from "./headers.ts";
import { identityOf, toJsonSchema } from "./json-schema.ts";
import { NAMED_SCHEMAS } from "./named-schemas.ts";
import { type Content, type Operation, type Parameter, type Parameters, type Reply, TAGS } from "./operation.ts";

const NAMES = new Map(Object.entries(NAMED_SCHEMAS).map(([name, schema]) => [identityOf(schema), name]));

/** @param version of the program. */
export function describeApi(endpoints: readonly Endpoint[], version: string): OpenAPIObject {
  const paths: Record<string, PathItemObject> = {};
  for (const endpoint of endpoints) {
    const path = templateOf(endpoint.path);
    paths[path] = { ...paths[path], [endpoint.method.toLowerCase()]: describeOperation(endpoint) };
  }
  return {
    openapi: "3.1.0",
    info: { ...ABOUT, version },
    // Wherever the document was loaded from.
    servers: [{ url: "/" }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: Object.fromEntries(
        Object.entries(NAMED_SCHEMAS).map(([name, schema]) => [
          name,
          toJsonSchema(schema, NAMES, true) as SchemaObject,
        ]),
      ),
      responses: {
        HeadersTooLarge: describeReply(HEADERS_TOO_LARGE),
        ...Object.fromEntries(
          Object.entries(SHARED_PROBLEMS).map(([name, problems]) => [name, describeReply(replyOf(problems))]),
        ),
      },
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

/** `/events/:topic` as OpenAPI writes it: `/events/{topic}`. */
function templateOf(path: string): string {
  return path.replace(/:(\w+)/g, "{$1}");
}

function describeOperation({ path, scope, operation }: Endpoint): OperationObject {
  const { id, tag, summary, description, body } = operation;
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    security: securityOf(scope),
    parameters: [
      ...describeParameters("path", inOrderOf(path, operation.path ?? {})),
      ...describeParameters("query", operation.query ?? {}),
      ...describeParameters("header", operation.headers ?? {}),
    ],
    ...(body !== undefined && {
      requestBody: {
        ...(body.description !== undefined && { description: body.description }),
        required: body.isRequired,
        content: describeContent(body.content),
      },
    }),
    responses: describeReplies(operation, scope),
  };
}

/** @throws Error where the names in the path are not those that are described. */
function inOrderOf(path: string, described: Parameters): Parameters {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name = ""]) => name);
  if (names.length !== Object.keys(described).length) throw new Error(`${path}: its parameters are not described`);
  return Object.fromEntries(
    names.map((name) => {
      const parameter = described[name];
      if (parameter === undefined) throw new Error(`${path}: ${name} is not described`);
      return [name, parameter];
    }),
  );
}

/** None at all where ACCESS=open: the empty requirement says so. Scopes stand where roles may stand since 3.1. */
function securityOf(scope: Scope): SecurityRequirementObject[] {
  if (scope === "anybody") return [];
  return [...Object.keys(SECURITY_SCHEMES).map((name) => ({ [name]: [scope] })), {}];
}

function describeParameters(location: ParameterLocation, parameters: Parameters): ParameterObject[] {
  return Object.entries(parameters).map(([name, parameter]) => {
    if (parameter.familyMax !== undefined) return describeFamily(name, location, parameter);
    const { schema, description, example } = parameter;
    return {
      name,
      in: location,
      ...(location === "path" && { required: true }),
      ...((description ?? schema.description) !== undefined && { description: description ?? schema.description }),
      schema: toJsonSchema(schema, NAMES) as SchemaObject,
      ...(example !== undefined && { example }),
    };
  });
}

/** As an object whose members are parameters of their own (`style: form`, exploded). */
function describeFamily(prefix: string, location: ParameterLocation, parameter: Parameter): ParameterObject {
  const { schema, description, example, familyMax } = parameter;
  const key = "[^.\\u0000]+";
  const begins = `^${prefix.replaceAll(".", "\\.")}${key}(?:\\.${key})*$`;
  return {
    name: prefix.replace(/\W$/, ""),
    in: location,
    ...(description !== undefined && { description }),
    style: "form",
    explode: true,
    schema: {
      type: "object",
      patternProperties: { [begins]: toJsonSchema(schema, NAMES) as SchemaObject },
      additionalProperties: false,
      maxProperties: familyMax,
    } as SchemaObject,
    ...(example !== undefined && { example: { [`${prefix}user.id`]: example } }),
  };
}

function describeReplies({ replies, problems }: Operation, scope: Scope): Record<string, unknown> {
  const described: Record<string, unknown> = { 431: { $ref: "#/components/responses/HeadersTooLarge" } };
  const byStatus = Map.groupBy(problems, ({ status }) => status as number);
  for (const [name, shared] of Object.entries(SHARED_PROBLEMS)) {
    const status = shared[0]?.status ?? INTERNAL.status;
    if (scope === "anybody" && status !== INTERNAL.status) continue;
    // What the route itself says under that status stands beside it.
    if (replies[status] === undefined && !byStatus.has(status)) {
      described[status] = { $ref: `#/components/responses/${name}` };
    } else byStatus.set(status, [...shared, ...(byStatus.get(status) ?? [])]);
  }
  for (const status of new Set([...Object.keys(replies).map(Number), ...byStatus.keys()])) {
    described[status] = describeReply(merged(replies[status], byStatus.get(status)));
  }
  return described;
}

function merged(reply: Reply | undefined, problems: readonly Problem[] | undefined): Reply {
  if (problems === undefined) return reply ?? { description: "" };
  const ofProblems = replyOf(problems);
  if (reply === undefined) return ofProblems;
  const both = { ...ofProblems.headers, ...reply.headers };
  const headers = Object.entries(both).map(([name, header]) => {
    const isInBoth = ofProblems.headers?.[name] !== undefined && reply.headers?.[name] !== undefined;
    return [name, { ...header, isRequired: header.isRequired && isInBoth }] as const;
  });
  return {
    description: `${reply.description}\n\n${ofProblems.description}`,
    headers: Object.fromEntries(headers),
    content: { ...reply.content, ...ofProblems.content },
  };
}

/** @param problems of one status. */
function replyOf(problems: readonly Problem[]): Reply {
  const titles = [...new Set(problems.map(({ title }) => title))];
  const names = new Set(problems.flatMap(({ headers = {} }) => Object.keys(headers)));
  const examples = problems.map(
    (problem, index) => [exampleName(problem, index, problems), problemBody(problem)] as const,
  );
  return {
    description: titles.join(" · "),
    headers: Object.fromEntries(
      [...names].map((name) => {
        const isRequired = problems.every(({ headers = {} }) => name in headers);
        return [name, { schema: Type.String(), description: "", ...HEADERS[name], isRequired }];
      }),
    ),
    content: { [PROBLEM_TYPE]: { schema: ProblemSchema, examples: Object.fromEntries(examples) } },
  };
}

/** The problem's own name, numbered where there are several of it. */
function exampleName({ name = "problem" }: Problem, index: number, problems: readonly Problem[]): string {
  const before = problems.slice(0, index).filter((other) => (other.name ?? "problem") === name).length;
  return before === 0 ? name : `${name}-${before + 1}`;
}

function describeReply({ description, headers, content, links }: Reply): ResponseObject {
  const described = Object.entries(headers ?? {}).map(([name, header]): [string, HeaderObject] => [
    canonical(name),
    {
      description: header.description,
      required: header.isRequired,
      schema: toJsonSchema(header.schema, NAMES) as SchemaObject,
    },
  ]);
  return {
    description,
    ...(described.length > 0 && { headers: Object.fromEntries(described) }),
    ...(content !== undefined && { content: describeContent(content) }),
    ...(links !== undefined && {
      links: Object.fromEntries(
        Object.entries(links).map(([name, { to, parameters }]) => [
          name.replaceAll(" ", "-"),
          { operationId: to, parameters },
        ]),
      ),
    }),
  };
}

/** `retry-after` as people write it. */
function canonical(name: string): string {
  return name.replace(/(^|-)([a-z])/g, (_, hyphen: string, letter: string) => `${hyphen}${letter.toUpperCase()}`);
}

function describeContent(content: Content): Record<string, MediaTypeObject> {
  return Object.fromEntries(
    Object.entries(content).map(([type, { schema, examples }]) => {
      const named = Object.entries(examples ?? {}).map(([name, value]): [string, ExampleObject] => [name, { value }]);
      return [
        type,
        {
          schema: toJsonSchema(schema, NAMES) as SchemaObject,
          ...(named.length > 0 && { examples: Object.fromEntries(named) }),
        },
      ];
    }),
  );
}
