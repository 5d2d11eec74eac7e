/**
 * A fault: how it is made and how it is healed again, on a world that works. `inject` returns when everything is
 * healed; from then on the clock of P5 runs.
 */
import type { Draw } from "@sekali/aggregator/harness/draw";
import type { ServerNeeds } from "../stack/servers.ts";
import type { World } from "../stack/world.ts";

/** What a fault acts on: faults that share nothing of it may act at once. */
export type Part = "aggregators" | "redis" | "postgres" | "links";

export interface Fault {
  /** As it is named on the command line. */
  readonly name: string;
  /** As the report tells it. */
  readonly title: string;
  readonly touches: readonly Part[];
  /** Injections of a full run, of one episode of it, and of the reduced run. */
  readonly injections: number;
  readonly perEpisode: number;
  readonly reduced: number;
  /** Redis itself is made to lose what it acknowledged. */
  readonly loses?: boolean;
  /** A control: over a whole run the service must report a loss. */
  readonly mustLose?: boolean;
  /** The servers that it needs instead of the plain ones, or why this machine can't give them. */
  readonly servers?: () => ServerNeeds | { readonly unavailable: string };
  inject(world: World, draw: Draw): Promise<void>;
}
