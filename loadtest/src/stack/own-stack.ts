/**
 * A Redis, a Postgres and aggregators for one run: what is overloaded, paused and killed belongs to nobody else, and
 * nothing of it stays.
 */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { freePort, type Server, startPostgres, startRedis } from "@sekali/native";
import type { OwnStack } from "../../k6/profiles.ts";
import { aggregatorCommand, aggregatorEnvironment, type Backing, launch, type Program } from "./program.ts";

/** Of the schema and of the keys. */
const NAME = "load";

export interface StackPlace {
  readonly root: string;
  readonly binary: string | undefined;
  /** The beginning of the names of the aggregators' logs. */
  readonly logs: string;
}

export class RunningStack {
  readonly database: { readonly url: string; readonly schema: string };
  readonly redis_url: string;
  readonly #servers: readonly Server[];
  readonly #programs: Program[] = [];
  readonly #restart: (index: number) => Promise<Program>;

  private constructor(servers: readonly Server[], backing: Backing, restart: (index: number) => Promise<Program>) {
    this.#servers = servers;
    this.redis_url = backing.redis_url;
    this.database = { url: backing.postgres_url, schema: NAME };
    this.#restart = restart;
  }

  static async start(plan: OwnStack, { root, binary, logs }: StackPlace): Promise<RunningStack> {
    await mkdir(dirname(logs), { recursive: true });
    const [redis, postgres] = await Promise.all([startRedis({}), startPostgres({})]);
    const backing = { redis_url: redis.url, postgres_url: postgres.url };
    const ports = await Promise.all(plan.aggregators.map(() => freePort()));
    let started = 0;
    const startAt = (index: number): Promise<Program> => {
      const port = ports[index] as number;
      const environment = { ...aggregatorEnvironment(backing, NAME), ...plan.aggregators[index], PORT: String(port) };
      started += 1;
      const log = `${logs}.aggregator-${started}.log`;
      return launch({
        command: [...aggregatorCommand(root, binary), "serve"],
        port,
        route: "/readyz",
        environment,
        log,
      });
    };
    const stack = new RunningStack([redis, postgres], backing, startAt);
    try {
      // One after the other: only the first has anything to migrate.
      for (let index = 0; index < plan.aggregators.length; index += 1) {
        stack.#programs.push(await startAt(index));
      }
      return stack;
    } catch (error) {
      await stack.stop();
      throw error;
    }
  }

  /** Where to publish: at the aggregators that do not only work. */
  targets(plan: OwnStack): [string, ...string[]] {
    const taking = this.#programs.filter((_, index) => plan.aggregators[index]?.["ROLES"] !== "worker");
    return taking.map(({ base }) => base) as [string, ...string[]];
  }

  get programs(): readonly Program[] {
    return this.#programs;
  }

  program(index: number): Program {
    return this.#programs[index] as Program;
  }

  /** Starts an aggregator that has ended, at the same address, and returns when it is ready. */
  async startAgain(index: number): Promise<void> {
    this.#programs[index] = await this.#restart(index);
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#programs.map((program) => program.stop()));
    await Promise.allSettled(this.#servers.map((server) => server.stop()));
  }
}
