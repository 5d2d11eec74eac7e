import { expect, test } from "bun:test";
import { StallClock } from "./stall-clock.ts";

test("runs with the time while it is ticked, and stands still while nobody was there", () => {
  let time = 1_000;
  const clock = new StallClock(() => time);
  for (let tick = 0; tick < 10; tick += 1) {
    time += 20;
    clock.tick();
  }
  expect(clock.now()).toBe(1_200);
  time += 5_000;
  expect(clock.now()).toBe(1_260);
  expect(clock.longestStallMs).toBe(4_940);
  time += 20;
  expect(clock.now()).toBe(1_280);
  clock.stop();
});
