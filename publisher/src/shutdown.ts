/**
 * The end, in two steps. `stopping` aborts first: nothing new is begun. `deadline` aborts when the time for what is in
 * flight has run out: it is then given up, and counted so.
 */
export type Shutdown = {
  readonly stopping: AbortSignal;
  readonly deadline: AbortSignal;
  /** Idempotent; the first cause is the one that counts. */
  begin(cause: string): void;
};

export function createShutdown(stopTimeoutMs: number): Shutdown {
  const stopping = new AbortController();
  const deadline = new AbortController();
  return {
    stopping: stopping.signal,
    deadline: deadline.signal,
    begin(cause: string): void {
      if (stopping.signal.aborted) return;
      stopping.abort(cause);
      // The timer alone must not keep a process alive that has nothing left to do.
      setTimeout(() => deadline.abort(cause), stopTimeoutMs).unref();
    },
  };
}
