/** What goes on beside k6 during a run, and has its own say in the verdict. */
import type { Check } from "./recount.ts";
import type { Watch } from "./watch.ts";

export interface Findings {
  readonly checks: readonly Check[];
  /** Name and value, for the report. */
  readonly facts: readonly (readonly [string, string])[];
}

export interface Companion {
  /** Called when the first event of the run was stored: k6 prepares for some seconds before. */
  begin(watch: Watch): void;
  /** Called when k6 has ended and the queue is empty. */
  end(watch: Watch): Promise<Findings>;
}
