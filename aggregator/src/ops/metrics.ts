/**
 * The numbers of one process for Prometheus, and the observers that add to them.
 *
 * A `Metrics` is made by the composition root and handed to the parts as one of the ports of `observers.ts`; there is
 * no global registry. Names follow Prometheus's conventions: `sekali_`, base units, `_total` for what only grows. What
 * a label may be is bounded by code or configuration: ways in, routes, reasons, shards, pools; never a topic or source.
 *
 * Here stands what happens in this process, from its start on: sum it over processes. What all processes share is in
 * `metrics-shared.ts`, the state of this one's parts in `metrics-state.ts`.
 */
import { Counter, Registry } from "prom-client";
import { type Distribution, DistributionMetric } from "./metrics-distribution.ts";
import {
  type Answered,
  type IngestObserver,
  REJECTIONS,
  type Rejection,
  type RequestObserver,
  TRANSACTION_ENDS,
  type TransactionEnd,
  type Way,
  type WorkerObserver,
} from "./observers.ts";

/** From a quick fsync to the longest that a publish takes before it is refused (P6), and of a statement. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Up to the bounds of entries and transactions, and of one request that is larger. */
const DELIVERIES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];
/** From a process at rest to an outage. */
const DELAY_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800];

/** Reasons are few; whatever defect made more of them must not fill memory and Prometheus. */
const REASONS_MAX = 200;

/** Alerts ask how these have grown, so they are there from the beginning: what is born with 1 has not grown. */
const REASONS_AWAITED = ["internal-error", "overloaded", "queue-away", "store-away", "outcome-unknown"];

export class Metrics implements IngestObserver, WorkerObserver, RequestObserver {
  readonly registry = new Registry();
  readonly #acknowledged: Record<Way, number> = { json: 0, lines: 0, cloudevents: 0, otlp: 0, replay: 0 };
  readonly #rejected = new Map<Rejection, number>(REJECTIONS.map((why) => [why, 0]));
  readonly #transactions = new Map<TransactionEnd, number>(TRANSACTION_ENDS.map((end) => [end, 0]));
  readonly #refusals = new Map<string, number>(REASONS_AWAITED.map((reason) => [reason, 0]));
  readonly #acknowledgement: Distribution;
  readonly #entryDeliveries: Distribution;
  readonly #transactionDeliveries: Distribution;
  readonly #transactionDuration: Distribution;
  readonly #commitDelay: Distribution;
  readonly #requests: DistributionMetric;

  constructor() {
    const { registry } = this;
    const distribution = (name: string, help: string, bounds: readonly number[]) =>
      new DistributionMetric({ name, help, registry, bounds }).of();
    this.#count("sekali_acknowledged_deliveries_total", "Deliveries acknowledged as on disk (P1).", "way", () =>
      Object.entries(this.#acknowledged),
    );
    this.#count(
      "sekali_rejected_log_records_total",
      "Log records of OTLP that were rejected, alone or with their whole request, by reason.",
      "reason",
      () => this.#rejected.entries(),
    );
    this.#acknowledgement = distribution(
      "sekali_acknowledgement_duration_seconds",
      "From a request's validation to Redis having its deliveries on disk.",
      SECONDS,
    );
    this.#entryDeliveries = distribution(
      "sekali_entry_deliveries",
      "Deliveries of an entry: of one flush.",
      DELIVERIES,
    );
    this.#count("sekali_transactions_total", "Statements that store a batch, by how they ended.", "end", () =>
      this.#transactions.entries(),
    );
    this.#transactionDeliveries = distribution(
      "sekali_transaction_deliveries",
      "Deliveries of a transaction that was committed.",
      DELIVERIES,
    );
    this.#transactionDuration = distribution(
      "sekali_transaction_duration_seconds",
      "How long a transaction took that was committed.",
      SECONDS,
    );
    this.#commitDelay = distribution(
      "sekali_commit_delay_seconds",
      "From an entry's addition to its commit, by Redis's clock and this process's.",
      DELAY_SECONDS,
    );
    this.#requests = new DistributionMetric(
      {
        name: "sekali_http_request_duration_seconds",
        help: "How long a route took to answer; for streams, to begin.",
        registry,
        bounds: SECONDS,
      },
      "route",
    );
    this.#count("sekali_refused_requests_total", "Requests answered with a problem, by its name.", "reason", () =>
      this.#refusals.entries(),
    );
  }

  acknowledged(way: Way, deliveries: number, milliseconds: number): void {
    this.#acknowledged[way] += deliveries;
    this.#acknowledgement.observe(milliseconds / 1000);
  }

  rejected(why: Rejection, records: number): void {
    this.#rejected.set(why, (this.#rejected.get(why) ?? 0) + records);
  }

  entryAdded(deliveries: number): void {
    this.#entryDeliveries.observe(deliveries);
  }

  transaction(end: TransactionEnd, deliveries: number, milliseconds: number): void {
    this.#transactions.set(end, (this.#transactions.get(end) ?? 0) + 1);
    if (end !== "committed") return;
    this.#transactionDeliveries.observe(deliveries);
    this.#transactionDuration.observe(milliseconds / 1000);
  }

  entryCommitted(milliseconds: number): void {
    this.#commitDelay.observe(Math.max(0, milliseconds) / 1000);
  }

  answeredBy(route: string): Answered {
    const requests = this.#requests.of(route);
    return (milliseconds) => requests.observe(milliseconds / 1000);
  }

  refused(reason: string): void {
    if (this.#refusals.size >= REASONS_MAX && !this.#refusals.has(reason)) return;
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
  }

  #count(name: string, help: string, label: string, values: () => Iterable<readonly [string, number]>): void {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [value, count] of values()) this.inc({ [label]: value }, count);
      },
    });
  }
}
