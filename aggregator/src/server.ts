/**
 * Mounts the routes behind the gate and maps errors to HTTP, in one place. It never listens: `service.ts` does.
 *
 * Elysia parses no body and validates nothing here: the publish route judges the bytes themselves, once. HEAD is
 * answered wherever GET is, OPTIONS and other methods of a known path name what is allowed (RFC 9110).
 */
import { Elysia } from "elysia";
import type { Gate } from "./access/gate.ts";
import type { Logger } from "./ops/log.ts";
import type { RequestObserver } from "./ops/observers.ts";
import type { Tracing } from "./ops/tracing-port.ts";
import { INTERNAL, type Problem, problemOf, problemResponse, reasonOf } from "./problem.ts";
import { targetOf } from "./request-target.ts";
import type { PathParameters, Route } from "./route.ts";

/** Answers a request to one route; it never fails. */
type Answerer = (request: Request, params: PathParameters) => Response | Promise<Response>;

/**
 * @param tracing undefined: nothing is traced.
 * @returns an application whose `fetch` answers a Request with a Response.
 */
export function createServer(
  routes: readonly Route[],
  gate: Gate,
  log: Logger,
  observer: RequestObserver,
  tracing?: Tracing | undefined,
) {
  const refuse = (problem: Problem): Response => {
    observer.refused(reasonOf(problem));
    return problemResponse(problem);
  };
  const fail = (error: unknown): Response => refuse(problemOf(error) ?? internal(error, log, tracing?.current()));
  const answerer = (route: Route): Answerer => {
    const { method, path, scope, handle } = route;
    const answeredAfter = observer.answeredBy(path);
    const answer: Answerer = (request, params) => {
      const startedAtMs = performance.now();
      const end = (response: Response): Response => {
        answeredAfter(performance.now() - startedAtMs);
        return method === "GET" ? asOfNow(response) : response;
      };
      try {
        const caller = gate.admit(request, scope);
        const answer =
          caller instanceof Promise
            ? caller.then((known) => handle(request, params, known))
            : handle(request, params, caller);
        return answer instanceof Promise ? answer.then(end, (error) => end(fail(error))) : end(answer);
      } catch (error) {
        return end(fail(error));
      }
    };
    // What tells nothing about events, probes above all, is not worth a span.
    if (tracing === undefined || scope === "anybody") return answer;
    return (request, params) => tracing.request(path, request, () => answer(request, params));
  };
  const app = new Elysia({ name: "sekali", normalize: false, handler: { standardHostname: false } });
  // Before the routes: Elysia applies a hook to what is mounted after it, and tells callers all other errors' messages.
  app.onError(({ error }) => {
    const isUnmatched = (error as { code?: unknown }).code === "NOT_FOUND";
    return isUnmatched ? refuse(UNKNOWN_PATH) : fail(error);
  });
  for (const route of routes) {
    const { method, path } = route;
    const answer = answerer(route);
    // Elysia reads these functions' text: for one that passes its context on, it parses headers, query and cookies.
    app.route(method, path, ({ request, params }) => answer(request, params), { parse: "none" });
    if (method === "GET") {
      // Bun leaves the body out, and says how long it would be (RFC 9110 section 8.6).
      app.head(path, ({ request, params }) => answer(request, params), { parse: "none" });
    }
  }
  for (const [path, allow] of allowedMethods(routes)) {
    app.all(path, ({ request }) => otherwise(request, allow, refuse), { parse: "none" });
  }
  return app.all("/*", () => refuse(UNKNOWN_PATH), { parse: "none" });
}

const UNKNOWN_PATH: Problem = { status: 404, title: "Not found", detail: "There is no such path." };

/** The value of `Allow` for each path. */
function allowedMethods(routes: readonly Route[]): ReadonlyMap<string, string> {
  const allowed = new Map<string, string[]>();
  for (const { method, path } of routes) {
    const methods = allowed.get(path) ?? [];
    methods.push(...(method === "GET" ? ["GET", "HEAD"] : [method]));
    allowed.set(path, methods);
  }
  return new Map([...allowed].map(([path, methods]) => [path, [...methods, "OPTIONS"].join(", ")]));
}

/** Another method of a known path. */
function otherwise(request: Request, allow: string, refuse: (problem: Problem) => Response): Response {
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  const detail = `${targetOf(request).pathname} takes ${allow}.`;
  return refuse({ status: 405, title: "Method not allowed", detail, headers: { allow } });
}

/**
 * What is read is as of now, and for whoever has asked: no cache may keep it unless the route says so. A session's
 * cookie keeps no shared cache from it as a header with a key does (RFC 9111 section 3.5). Nor is its type guessed at.
 */
function asOfNow(response: Response): Response {
  const { headers } = response;
  if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  headers.set("x-content-type-options", "nosniff");
  return response;
}

/** @param trace the context of the request's span: its second part is the trace's id. */
function internal(error: unknown, log: Logger, trace: string | undefined): Problem {
  const traceId = trace === undefined ? {} : { trace_id: trace.split("-")[1] };
  log.error({ err: error instanceof Error ? error : new Error(String(error)), ...traceId }, "Request failed");
  return INTERNAL;
}
