/**
 * `GET /healthz`: the process answers. `GET /readyz`: it can do what its roles ask, with the state of each dependency.
 *
 * A process that takes publishes is ready as long as Redis is there: while Postgres is away, what is acknowledged waits
 * on Redis's disk, so taking the process out of a load balancer would only make publishers fail. The body says
 * `degraded` then, and names the dependency. A process that only works is not ready without either.
 */
import type { AccessState } from "../access/access.ts";
import type { Role } from "../config.ts";
import type { ShardKeeper } from "../ingest/shard-keeper.ts";
import { describeStuck } from "../query/stats-route.ts";
import type { Queue } from "../queue/port.ts";
import type { Route } from "../route.ts";
import type { EventStore } from "../store/port.ts";
import type { Stuck } from "../worker/shard-worker.ts";
import { SHOW_HEALTH, SHOW_READINESS } from "./health-endpoints.ts";

/** Probes come from load balancers and people alike; Postgres is asked at most so often. */
const PROBE_VALID_MS = 500;

export interface HealthParts {
  readonly roles: ReadonlySet<Role>;
  readonly queue: Queue;
  readonly store: EventStore;
  readonly keeper: ShardKeeper;
  readonly stuck: () => readonly Stuck[];
  readonly access: AccessState;
}

export class HealthRoutes {
  readonly routes: readonly Route[] = [
    { ...SHOW_HEALTH, handle: () => this.alive() },
    { ...SHOW_READINESS, handle: () => this.ready() },
  ];
  readonly #parts: HealthParts;
  #draining = false;
  #probe: { readonly atMs: number; readonly up: Promise<boolean> } | undefined;

  constructor(parts: HealthParts) {
    this.#parts = parts;
  }

  /** From now on not ready, for good. */
  drain(): void {
    this.#draining = true;
  }

  alive(): Response {
    return Response.json({ status: "alive" });
  }

  async ready(): Promise<Response> {
    const { roles, queue, keeper, stuck, access } = this.#parts;
    const postgres = await this.#isPostgresUp();
    const redis = queue.link.state === "up";
    const takesPublishes = redis && keeper.isOpen;
    const ready = !this.#draining && (roles.has("api") ? takesPublishes : redis && postgres);
    const body = {
      status: this.#draining ? "draining" : ready ? (postgres && redis ? "ready" : "degraded") : "not ready",
      roles: [...roles],
      dependencies: {
        redis: {
          status: keeper.isForeign ? "foreign" : redis ? "up" : "away",
          durability_warnings: queue.link.durabilityWarnings,
        },
        postgres: { status: postgres ? "up" : "away" },
      },
      stuck_shards: stuck().map(describeStuck),
      access,
    };
    return Response.json(body, { status: ready ? 200 : 503, headers: ready ? {} : { "retry-after": "1" } });
  }

  #isPostgresUp(): Promise<boolean> {
    const now = performance.now();
    if (this.#probe === undefined || now - this.#probe.atMs > PROBE_VALID_MS) {
      const up = this.#parts.store.ping().then(
        () => true,
        () => false,
      );
      this.#probe = { atMs: now, up };
    }
    return this.#probe.up;
  }
}
