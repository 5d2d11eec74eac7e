/** What a route is: a method, a path, and the answer to a request. `server.ts` mounts them, `service.ts` lists them. */
import type { Caller } from "./access/caller.ts";

export type Method = "GET" | "POST" | "PUT" | "DELETE";

/** The named parts of a path, decoded. */
export type PathParameters = Readonly<Record<string, string>>;

/**
 * What a caller may do: send events, read what is stored, or change what all share (dead letters, subscriptions).
 * What tells nothing about events is for anybody.
 */
export type Scope = "publish" | "read" | "admin" | "anybody";

export interface Route {
  readonly method: Method;
  /** As Elysia writes it: `/events/:topic/:event_id`. */
  readonly path: string;
  readonly scope: Scope;
  /** What is thrown here becomes a problem: `RequestError` as it says, what is away as 503, anything else as 500. */
  handle(request: Request, parameters: PathParameters, caller: Caller): Response | Promise<Response>;
}
