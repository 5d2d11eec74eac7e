import { expect, test } from "bun:test";
import { standingFaults } from "./positions-watch.ts";

const at = (epoch: number, seq: number, accounted = seq) => ({ shard: 0, epoch, seq, accounted });

test("a position that moves forward with its rows is sound", () => {
  expect(standingFaults(undefined, at(1, 0))).toEqual([]);
  expect(standingFaults(at(1, 5), at(1, 5))).toEqual([]);
  expect(standingFaults(at(1, 5), at(2, 9))).toEqual([]);
});

test("a position past its committed rows, or behind them, is a fault", () => {
  expect(standingFaults(undefined, at(1, 6, 5))).toHaveLength(1);
  expect(standingFaults(undefined, at(1, 5, 6))).toHaveLength(1);
});

test("a position that goes back is a fault", () => {
  expect(standingFaults(at(1, 5), at(1, 4))).toHaveLength(1);
  expect(standingFaults(at(2, 5), at(1, 6))).toHaveLength(1);
});
