/**
 * Mounts the routes and maps errors to HTTP, in one place. It never listens: `main.ts` does.
 *
 * Elysia parses no body and validates nothing here: the publish route judges the bytes themselves, once.
 */
import { Elysia } from "elysia";
import type { Role } from "./config.ts";
import type { PublishRoute } from "./ingest/publish-route.ts";
import type { HealthRoutes } from "./ops/health-routes.ts";
import type { Logger } from "./ops/log.ts";
import { type Problem, problemOf, problemResponse } from "./problem.ts";
import type { EventsRoute } from "./query/events-route.ts";
import type { StatsRoute } from "./query/stats-route.ts";

export interface Routes {
  readonly publish: PublishRoute;
  readonly events: EventsRoute;
  readonly stats: StatsRoute;
  readonly health: HealthRoutes;
}

type Handler = (request: Request) => Response | Promise<Response>;

/** @returns an application whose `fetch` answers a Request with a Response. */
export function createServer(routes: Routes, roles: ReadonlySet<Role>, log: Logger) {
  const answer = async (handler: Handler, request: Request): Promise<Response> => {
    try {
      return await handler(request);
    } catch (error) {
      return problemResponse(problemOf(error) ?? internal(error, log));
    }
  };
  const reading: Record<string, Handler> = {
    "/healthz": () => routes.health.alive(),
    "/readyz": () => routes.health.ready(),
    "/stats": () => routes.stats.handle(),
  };
  const app = new Elysia({ name: "sekali", normalize: false, handler: { standardHostname: false } });
  const allowed = new Map<string, string>();
  if (roles.has("api")) {
    reading["/events"] = (request) => routes.events.handle(request);
    const publish: Handler = (request) => routes.publish.handle(request);
    app.post("/publish", ({ request }) => answer(publish, request), { parse: "none" });
    allowed.set("/publish", "POST, OPTIONS");
  }
  for (const [path, handler] of Object.entries(reading)) {
    app.get(path, ({ request }) => answer(handler, request), { parse: "none" });
    allowed.set(path, "GET, HEAD, OPTIONS");
    app.head(path, async ({ request }) => withoutBody(await answer(handler, request)), { parse: "none" });
  }
  return app
    .all("/*", ({ request }) => otherwise(request, allowed), { parse: "none" })
    .onError(({ error, request }) => {
      const isUnmatched = (error as { code?: unknown }).code === "NOT_FOUND";
      return isUnmatched ? otherwise(request, allowed) : problemResponse(problemOf(error) ?? internal(error, log));
    });
}

/** What no route answers: another method of a known path, or an unknown path. */
function otherwise(request: Request, allowed: ReadonlyMap<string, string>): Response {
  const path = new URL(request.url).pathname;
  const allow = allowed.get(path);
  if (allow === undefined)
    return problemResponse({ status: 404, title: "Not found", detail: "There is no such path." });
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  const detail = `${path} takes ${allow}.`;
  return problemResponse({ status: 405, title: "Method not allowed", detail, headers: { allow } });
}

function withoutBody(response: Response): Response {
  return new Response(null, { status: response.status, headers: response.headers });
}

function internal(error: unknown, log: Logger): Problem {
  log.error({ err: error instanceof Error ? error : new Error(String(error)) }, "Request failed");
  return { status: 500, title: "Internal error", detail: "The service has failed at this request; its log says why." };
}
