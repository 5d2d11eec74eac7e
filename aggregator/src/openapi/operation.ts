/**
 * What describes a route, in words for people and schemas for programs. `document.ts` makes OpenAPI of it.
 *
 * Nothing here is a copy: schemas are those that judge requests and type replies, query parameters are those that
 * `readParameters` lets through, and problems are what the code throws.
 */
import type { TSchema } from "@sinclair/typebox";
import type { Problem } from "../problem.ts";

export interface Operation {
  /** What generated clients call it: a verb first, unique. */
  readonly id: string;
  readonly tag: Tag;
  /** A line without a full stop. */
  readonly summary: string;
  /** Markdown. */
  readonly description?: string;
  /** By the names in the path. */
  readonly path?: Parameters;
  /** What `readParameters` is given. */
  readonly query?: Parameters;
  /** Request headers, but for those that OpenAPI describes otherwise: Accept, Content-Type and Authorization. */
  readonly headers?: Parameters;
  readonly body?: Body;
  /** By status. */
  readonly replies: Readonly<Record<number, Reply>>;
  /** What else may come, by example: each becomes part of the reply of its status. */
  readonly problems: readonly Problem[];
}

/** In the order in which they are shown. */
export const TAGS = {
  Send: "Ways in. Each is acknowledged when Redis has it on disk, and repeating a request is always safe.",
  Count: "How many, exactly.",
  Find: "Stored events, by topic, time, source, payload and text.",
  Follow: "Stored events as they become visible.",
  "Share the work": "Durable subscriptions: the service remembers where they stand, consumers share their events.",
  "Ask why": "What was dropped as a duplicate, and what could not be stored.",
  Watch: "The process itself, and pages for people.",
} as const;

export type Tag = keyof typeof TAGS;

export type Parameters = Readonly<Record<string, Parameter>>;

export interface Parameter {
  /** Of the value as it stands in the URL or in the header; a number is written in digits. */
  readonly schema: TSchema;
  /** In addition to the schema's own. */
  readonly description?: string;
  readonly example?: string | number | boolean;
  /**
   * How many there may be of a family of parameters. Its name is what their names begin with: `payload.` stands for
   * `payload.user.id`.
   */
  readonly familyMax?: number;
}

/** By media type. */
export type Content = Readonly<Record<string, MediaType>>;

export interface MediaType {
  readonly schema: TSchema;
  /** By name. What is no string is JSON. */
  readonly examples?: Readonly<Record<string, unknown>>;
}

export interface Body {
  readonly description?: string;
  /** False where a request without one is a request, too. */
  readonly isRequired: boolean;
  readonly content: Content;
}

export interface Reply {
  readonly description: string;
  readonly headers?: Readonly<Record<string, ReplyHeader>>;
  /** Undefined: it has no body. */
  readonly content?: Content;
  /** What can be asked next, by name. */
  readonly links?: Readonly<Record<string, Link>>;
}

export interface Link {
  /** The `id` of an operation. */
  readonly to: string;
  /** Its parameters, as OpenAPI's runtime expressions: `$response.body#/0/shard`. */
  readonly parameters: Readonly<Record<string, string>>;
}

export interface ReplyHeader {
  readonly schema: TSchema;
  readonly description: string;
  /** Whether each such reply has it. */
  readonly isRequired: boolean;
}
