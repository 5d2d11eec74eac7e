/** Which episodes a run is made of. Pure: the same options give the same episodes with the same seeds. */
import { Draw } from "@sekali/aggregator/harness/draw";
import type { Fault } from "./faults/fault.ts";

export interface PlannedEpisode {
  readonly fault: Fault;
  readonly injections: number;
  readonly seed: number;
}

export interface PlanOptions {
  readonly faults: readonly Fault[];
  readonly seed: number;
  /** Injections of each fault, instead of its own number. */
  readonly injections?: number | undefined;
  /** The few of a reduced run. */
  readonly reduced: boolean;
}

export function planEpisodes({ faults, seed, injections, reduced }: PlanOptions): PlannedEpisode[] {
  const episodes = faults.flatMap((fault) => {
    // Each fault draws from a seed of its own, so that a run of some of them repeats a run of all.
    const draw = new Draw(seed ^ Bun.hash.crc32(fault.name));
    const wanted = injections ?? (reduced ? fault.reduced : fault.injections);
    const count = Math.ceil(wanted / fault.perEpisode);
    return Array.from({ length: count }, (_, index) => ({
      fault,
      injections: Math.min(fault.perEpisode, wanted - index * fault.perEpisode),
      seed: draw.seed(),
    }));
  });
  // Mixed, so that the lanes don't all wait or all compute at the same time.
  return new Draw(seed).shuffled(episodes);
}
