/**
 * What parts may ask of traces, where they are configured; elsewhere there is no such port, and nothing is spent.
 *
 * A request that is sampled has a span, and its context (W3C `traceparent`) travels in the entry that carries its
 * deliveries, so that the transaction which commits them, in whatever process, is a span of the same trace. Contexts
 * are for those who watch: nothing is decided by them, and they may be left out.
 */

/** Contexts that an entry carries; what is more is left out. Each has 55 characters. */
export const ENTRY_TRACES_MAX = 32;

export interface Tracing {
  /** Answers a request inside of a span, which ends with the answer. */
  request(route: string, request: Request, answer: () => Response | Promise<Response>): Response | Promise<Response>;
  /** The context of the request that is being answered, if it is sampled. */
  current(): string | undefined;
  /** Stores a batch inside of a span for each request that an entry names. */
  transaction<T>(transaction: TracedTransaction, work: () => Promise<T>): Promise<T>;
  /** Sends what is left. Bounded; never fails. */
  stop(): Promise<void>;
}

export interface TracedTransaction {
  readonly shard: number;
  readonly deliveries: number;
  /** Of each entry: contexts, separated by spaces, as the entry carries them; they may have come from anybody. */
  readonly traces: readonly string[];
}
