/** What a route is: an endpoint, and the answer to a request. `server.ts` mounts them, `service.ts` lists them. */
import type { Caller } from "./access/caller.ts";
import type { Operation } from "./openapi/operation.ts";

export type Method = "GET" | "POST" | "PUT" | "DELETE";

/** The named parts of a path, decoded. */
export type PathParameters = Readonly<Record<string, string>>;

/**
 * What a caller may do: send events, read what is stored, or change what all share (dead letters, subscriptions).
 * What tells nothing about events is for anybody.
 */
export type Scope = "publish" | "read" | "admin" | "anybody";

/** What there is to know of a route without serving it. It stands beside the route, in a file of its own. */
export interface Endpoint {
  readonly method: Method;
  /** As Elysia writes it: `/events/:topic/:event_id`. */
  readonly path: string;
  readonly scope: Scope;
  readonly operation: Operation;
}

/** What a stream's answer to HEAD has in the place of a length: nobody knows it. */
export const HEAD_OF_STREAM = { "transfer-encoding": "chunked" };

export interface Route extends Endpoint {
  /** What is thrown here becomes a problem: `RequestError` as it says, what is away as 503, anything else as 500. */
  handle(request: Request, parameters: PathParameters, caller: Caller): Response | Promise<Response>;
}
