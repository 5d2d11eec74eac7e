/**
 * `publisher simulate`: sends one event a tick, some of them again, and counts what became of each.
 *
 * Control flow only: `pace.ts` says when, `world.ts` says what, the client says with which outcome. At most
 * `inFlightMax` requests are under way; ticks that find no place wait in the pace. Of each delivery exactly one is
 * counted at the end: sent = acknowledged + refused + given_up.
 */
import { pause, type Transport } from "@sekali/client/wire";
import { type Logger, LogLimit } from "../log.ts";
import type { Shutdown } from "../shutdown.ts";
import { Pace } from "./pace.ts";
import type { Choice, World } from "./world.ts";

export type SimulateSettings = {
  readonly tickIntervalMs: number;
  readonly inFlightMax: number;
  /** Ends after so many deliveries; undefined goes on until it is stopped. */
  readonly count: number | undefined;
};

export type SimulateSummary = {
  readonly sent: number;
  readonly sent_new: number;
  readonly sent_duplicate: number;
  readonly acknowledged: number;
  /** Of those acknowledged: deliveries of an event that had been acknowledged before. */
  readonly duplicates: number;
  readonly refused: number;
  readonly given_up: number;
  readonly ticks_skipped: number;
  readonly seconds: number;
  readonly sent_per_second: number;
};

export type SimulateResult = {
  readonly summary: SimulateSummary;
  /** Nothing at the target ever answered. */
  readonly wasUnreachable: boolean;
};

/** Half a minute at two events a second, one second at a thousand. */
const WAITING_TICKS_MAX = 1000;

const SKIPPED_REPORT_INTERVAL_MS = 5000;

export async function simulate(
  settings: SimulateSettings,
  world: World,
  client: Transport,
  log: Logger,
  shutdown: Shutdown,
): Promise<SimulateResult> {
  const run = new SimulatorRun(settings, world, client, log, shutdown);
  return await run.finish();
}

class SimulatorRun {
  readonly #settings: SimulateSettings;
  readonly #world: World;
  readonly #client: Transport;
  readonly #log: Logger;
  readonly #shutdown: Shutdown;
  readonly #startMs = performance.now();
  readonly #pace: Pace;
  readonly #skippedLimit = new LogLimit(SKIPPED_REPORT_INTERVAL_MS);
  readonly #inFlight = new Set<Promise<void>>();
  readonly #count = { new: 0, resent: 0, acknowledged: 0, duplicates: 0, refused: 0, givenUp: 0 };
  #skippedSeen = 0;
  #wasUnreachable = false;

  constructor(settings: SimulateSettings, world: World, client: Transport, log: Logger, shutdown: Shutdown) {
    this.#settings = settings;
    this.#world = world;
    this.#client = client;
    this.#log = log;
    this.#shutdown = shutdown;
    this.#pace = new Pace({
      tickMs: settings.tickIntervalMs,
      waitingMax: WAITING_TICKS_MAX,
      startMs: this.#startMs,
    });
  }

  async finish(): Promise<SimulateResult> {
    while (!this.#isDone()) {
      this.#begin();
      if (!this.#isDone()) await pause(this.#pace.untilNextMs(performance.now()), this.#shutdown.stopping);
    }
    await Promise.all(this.#inFlight);
    return { summary: this.#summarise(), wasUnreachable: this.#wasUnreachable };
  }

  get #sent(): number {
    return this.#count.new + this.#count.resent;
  }

  #isDone(): boolean {
    return this.#shutdown.stopping.aborted || this.#wasUnreachable || this.#sent === this.#settings.count;
  }

  /** Begins as many of the due ticks as there is room for: on every tick, and whenever a place becomes free. */
  #begin(): void {
    this.#pace.advance(performance.now());
    this.#reportSkipped();
    while (!this.#isDone() && this.#inFlight.size < this.#settings.inFlightMax && this.#pace.take()) {
      const delivery = this.#deliver(this.#world.next());
      this.#inFlight.add(delivery);
      delivery.finally(() => {
        this.#inFlight.delete(delivery);
        if (!this.#isDone()) this.#begin();
      });
    }
  }

  async #deliver(choice: Choice): Promise<void> {
    const { prepared, isResent } = choice;
    this.#count[isResent ? "resent" : "new"] += 1;
    const outcome = await this.#client.publish(prepared.body, 1, this.#shutdown.deadline);
    const { topic, event_id, source } = prepared.event;
    const about = { topic, event_id, source, status: outcome.status };
    if (outcome.kind === "acknowledged") {
      this.#count.acknowledged += 1;
      if (prepared.wasAcknowledged) this.#count.duplicates += 1;
      prepared.wasAcknowledged = true;
      this.#log.info(about, isResent ? "SENT DUPLICATE" : "SENT NEW");
      return;
    }
    const { reason } = outcome;
    if (outcome.kind === "refused") {
      this.#count.refused += 1;
      this.#log.error({ ...about, reason }, "REFUSED");
      return;
    }
    this.#count.givenUp += 1;
    this.#log.error({ ...about, reason }, "GIVEN UP");
    // A target that has answered once will come back; one that never did is most likely a wrong address.
    if (!this.#client.hasAnswered() && !this.#shutdown.stopping.aborted) this.#wasUnreachable = true;
  }

  #reportSkipped(): void {
    if (this.#pace.skipped === this.#skippedSeen) return;
    if (this.#skippedLimit.admit(performance.now()) === undefined) return;
    const skipped = this.#pace.skipped - this.#skippedSeen;
    this.#skippedSeen = this.#pace.skipped;
    const about = { ticks_skipped: skipped, ticks_skipped_total: this.#pace.skipped, in_flight: this.#inFlight.size };
    this.#log.warn(about, "the target does not keep up: ticks skipped");
  }

  #summarise(): SimulateSummary {
    const seconds = (performance.now() - this.#startMs) / 1000;
    return {
      sent: this.#sent,
      sent_new: this.#count.new,
      sent_duplicate: this.#count.resent,
      acknowledged: this.#count.acknowledged,
      duplicates: this.#count.duplicates,
      refused: this.#count.refused,
      given_up: this.#count.givenUp,
      ticks_skipped: this.#pace.skipped,
      seconds: round(seconds),
      sent_per_second: round(this.#sent / seconds),
    };
  }
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
