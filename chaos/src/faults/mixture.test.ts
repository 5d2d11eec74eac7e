import { expect, test } from "bun:test";
import { Draw } from "@sekali/aggregator/harness/draw";
import { FAULTS } from "./catalogue.ts";
import { chooseDisjoint } from "./mixture.ts";

test("what acts at once shares nothing that it acts on, and is two or three where there are enough", () => {
  const plain = FAULTS.filter(({ loses, servers, name }) => !loses && servers === undefined && name !== "mixture");
  for (let seed = 0; seed < 200; seed += 1) {
    const chosen = chooseDisjoint(plain, new Draw(seed));
    const parts = chosen.flatMap(({ touches }) => touches);
    expect(new Set(parts).size).toBe(parts.length);
    expect(chosen.length).toBeGreaterThanOrEqual(2);
    expect(chosen.length).toBeLessThanOrEqual(3);
  }
});
