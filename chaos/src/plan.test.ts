import { expect, test } from "bun:test";
import { FAULTS } from "./faults/catalogue.ts";
import { planEpisodes } from "./plan.ts";

const injectionsOf = (name: string, episodes: ReturnType<typeof planEpisodes>) =>
  episodes.filter(({ fault }) => fault.name === name).reduce((sum, { injections }) => sum + injections, 0);

test("the same seed gives the same episodes, another one others", () => {
  const plan = (seed: number) => planEpisodes({ faults: FAULTS, seed, reduced: false });
  expect(plan(7)).toEqual(plan(7));
  expect(plan(7).map(({ seed }) => seed)).not.toEqual(plan(8).map(({ seed }) => seed));
});

test("a fault that is run alone repeats its episodes of the whole run", () => {
  const [fault] = FAULTS;
  if (fault === undefined) throw new Error("there are faults");
  const seeds = (faults: typeof FAULTS) =>
    planEpisodes({ faults, seed: 7, reduced: false })
      .filter((episode) => episode.fault === fault)
      .map(({ seed }) => seed)
      .sort((a, b) => a - b);
  expect(seeds([fault])).toEqual(seeds(FAULTS));
});

test("every injection of every fault is in a full run, and a few of each in a reduced one", () => {
  const full = planEpisodes({ faults: FAULTS, seed: 7, reduced: false });
  const reduced = planEpisodes({ faults: FAULTS, seed: 7, reduced: true });
  for (const fault of FAULTS) {
    expect(injectionsOf(fault.name, full)).toBe(fault.injections);
    expect(injectionsOf(fault.name, reduced)).toBe(fault.reduced);
  }
  expect(injectionsOf("redis-kill", planEpisodes({ faults: FAULTS, seed: 7, injections: 7, reduced: false }))).toBe(7);
});
