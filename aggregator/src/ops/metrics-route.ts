/**
 * `GET /metrics` for Prometheus, as text, or as OpenMetrics where that is preferred.
 *
 * It never fails: what is away leaves its numbers out, and what this process knows by itself is always there.
 */
import Negotiator from "negotiator";
import { type OpenMetricsContentType, openMetricsContentType, prometheusContentType, type Registry } from "prom-client";
import { NO_PARAMETERS, readParameters } from "../query/parameters.ts";
import type { Route } from "../route.ts";
import { SHOW_METRICS } from "./metrics-endpoint.ts";
import type { SharedMetrics } from "./metrics-shared.ts";

/** The first is what a client gets that takes anything. */
const OFFERED = ["text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0"];

export class MetricsRoute {
  readonly routes: readonly Route[] = [{ ...SHOW_METRICS, handle: (request) => this.handle(request) }];
  readonly #registry: Registry;
  readonly #shared: Pick<SharedMetrics, "refresh">;

  constructor(registry: Registry, shared: Pick<SharedMetrics, "refresh">) {
    this.#registry = registry;
    this.#shared = shared;
  }

  async handle(request: Request): Promise<Response> {
    readParameters(request, NO_PARAMETERS);
    await this.#shared.refresh();
    const text = await this.#registry.metrics();
    const wantsOpenMetrics = preferred(request.headers.get("accept")) === OFFERED[1];
    const type: string = wantsOpenMetrics
      ? (openMetricsContentType satisfies OpenMetricsContentType)
      : prometheusContentType;
    return new Response(wantsOpenMetrics ? toOpenMetrics(text) : text, {
      headers: { "content-type": type, vary: "accept" },
    });
  }
}

function preferred(accept: string | null): string | undefined {
  return new Negotiator({ headers: { accept: accept ?? "*/*" } }).mediaType(OFFERED);
}

/**
 * OpenMetrics names a counter without its `_total`, wants no empty lines, and an end. The library's own way there
 * renames the registry's counters for good, so that the next scrape in the other format would miss them.
 */
function toOpenMetrics(text: string): string {
  const counters = new Set([...text.matchAll(/^# TYPE (\S+)_total counter$/gm)].map(([, name]) => name));
  const lines = text.split("\n").filter((line) => line !== "");
  const renamed = lines.map((line) =>
    line.replace(/^# (HELP|TYPE) (\S+)_total /, (whole, kind: string, name: string) =>
      counters.has(name) ? `# ${kind} ${name} ` : whole,
    ),
  );
  return `${renamed.join("\n")}\n# EOF\n`;
}
