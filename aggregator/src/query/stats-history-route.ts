/** `GET /stats/history`: from memory, so it costs next to nothing and answers whatever is away. */
import type { StatsHistoryReply } from "@sekali/contract";
import type { Route } from "../route.ts";
import { NO_PARAMETERS, readParameters } from "./parameters.ts";
import { INTERVAL_MS, type StatsHistory } from "./stats-history.ts";
import { SHOW_STATS_HISTORY } from "./stats-history-endpoint.ts";

export class StatsHistoryRoute {
  readonly routes: readonly Route[] = [
    {
      ...SHOW_STATS_HISTORY,
      handle: (request) => {
        readParameters(request, NO_PARAMETERS);
        return this.handle();
      },
    },
  ];
  readonly #history: Pick<StatsHistory, "samples">;
  readonly #now: () => number;
  readonly #sinceMs: number;

  /** @param now milliseconds since the Unix epoch. */
  constructor(history: Pick<StatsHistory, "samples">, now = Date.now) {
    this.#history = history;
    this.#now = now;
    this.#sinceMs = now();
  }

  handle(): Response {
    const reply: StatsHistoryReply = {
      since: textOf(this.#sinceMs),
      now: textOf(this.#now()),
      interval_s: INTERVAL_MS / 1000,
      samples: this.#history.samples.map(({ atMs, counts }) => ({ at: textOf(atMs), counts: counts ?? null })),
    };
    return Response.json(reply);
  }
}

const textOf = (ms: number) => new Date(ms).toISOString();
