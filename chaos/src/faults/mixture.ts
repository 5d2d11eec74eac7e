/** Faults that share nothing of what they act on, at the same time. */
import type { Draw } from "@sekali/aggregator/harness/draw";
import type { Fault, Part } from "./fault.ts";

const AT_ONCE_MAX = 3;
const APART_MS_MAX = 600;

export function mixtureOf(faults: readonly Fault[]): Fault {
  return {
    name: "mixture",
    title: "random mixtures of these, one seed each",
    touches: ["aggregators", "redis", "postgres", "links"],
    injections: 100,
    perEpisode: 1,
    reduced: 2,
    async inject(world, draw) {
      world.mixed = true;
      const chosen = chooseDisjoint(faults, draw);
      world.count(chosen.map(({ name }) => name).join(" + "));
      await Promise.all(
        chosen.map(async (fault) => {
          const own = draw.fork();
          await Bun.sleep(own.random() * APART_MS_MAX);
          await fault.inject(world, own);
        }),
      );
    },
  };
}

/** Two or three, of which no two touch the same part. */
export function chooseDisjoint(faults: readonly Fault[], draw: Draw): Fault[] {
  const taken = new Set<Part>();
  const chosen: Fault[] = [];
  for (const fault of draw.shuffled(faults)) {
    if (chosen.length === AT_ONCE_MAX) break;
    if (fault.touches.some((part) => taken.has(part))) continue;
    for (const part of fault.touches) taken.add(part);
    chosen.push(fault);
  }
  return chosen;
}
