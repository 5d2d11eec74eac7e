/**
 * Runs all services until it is told to stop: starts them one after the other, each when the one before is ready,
 * keeps them running, and ends them in the opposite order, so that the publisher is gone before the aggregator drains,
 * and the aggregator before its Postgres and Redis.
 */
import { join } from "node:path";
import { signal, waitUntilGone } from "../processes.ts";
import { RotatingLog } from "./rotating-log.ts";
import { type Installation, logFolder, servicesOf, stateFile, urlOf } from "./services.ts";
import { markOf, readState, removeState, type State, stillRuns, writeState } from "./state.ts";
import { Supervised } from "./supervised.ts";

export class Supervisor {
  readonly #installation: Installation;
  readonly #services: Supervised[] = [];
  #stopping = false;

  constructor(installation: Installation) {
    this.#installation = installation;
  }

  async start(): Promise<void> {
    const { root } = this.#installation;
    await endLeftovers(readState(stateFile(root)));
    this.#record();
    for (const service of await servicesOf(this.#installation)) {
      if (this.#stopping) return;
      const log = new RotatingLog(join(logFolder(root), `${service.name}.log`));
      const supervised = new Supervised(service, log, () => this.#record());
      this.#services.push(supervised);
      await supervised.start();
    }
  }

  /** Returns when nothing runs any more. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const service of this.#services.toReversed()) await service.stop();
    removeState(stateFile(this.#installation.root));
  }

  #record(): void {
    const supervisor = markOf(process.pid);
    if (supervisor === undefined) throw new Error("this process can't see itself");
    const services = Object.fromEntries(this.#services.map((each) => [each.service.name, each.state()]));
    writeState(stateFile(this.#installation.root), { supervisor, url: urlOf(this.#installation), services });
  }
}

/** A supervisor that was killed may have left services behind, where the kernel doesn't end them with it. */
async function endLeftovers(state: State | undefined): Promise<void> {
  const marks = Object.values(state?.services ?? {}).map((service) => service.process);
  const running = marks.filter(stillRuns);
  // Each of the four takes SIGINT as the wish to end in good order.
  for (const { pid } of running) signal(pid, "SIGINT");
  await waitUntilGone(running.map(({ pid }) => pid));
}
