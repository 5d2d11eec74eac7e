import { describe, expect, test } from "bun:test";
import { type Reading, trendOf } from "./flat.ts";

const series = (value: (at_s: number) => number): Reading[] =>
  Array.from({ length: 101 }, (_, at_s) => ({ at_s, value: value(at_s) }));
const STRICT = { absolute: 5, relative: 0 };

describe("flat is", () => {
  test("what stays the same", () => {
    expect(
      trendOf(
        series(() => 80),
        STRICT,
      ),
    ).toMatchObject({ mean: 80, growth: 0, flat: true });
  });

  test("what grows at the start and settles before the half", () => {
    expect(
      trendOf(
        series((at_s) => Math.min(at_s, 45) * 10),
        STRICT,
      ).flat,
    ).toBe(true);
  });

  test("saw teeth", () => {
    expect(
      trendOf(
        series((at_s) => 100 + (at_s % 10) * 3),
        STRICT,
      ).flat,
    ).toBe(true);
  });

  test("what shrinks", () => {
    expect(
      trendOf(
        series((at_s) => 1_000 - at_s),
        STRICT,
      ).flat,
    ).toBe(true);
  });

  test("what grows within its tolerance, in its own unit or as a share", () => {
    expect(
      trendOf(
        series((at_s) => 100 + at_s / 12),
        STRICT,
      ).flat,
    ).toBe(true);
    expect(
      trendOf(
        series((at_s) => 1_000 + at_s),
        { absolute: 0, relative: 0.1 },
      ).flat,
    ).toBe(true);
  });
});

describe("flat is not", () => {
  test("a leak, whose growth is told for the second half", () => {
    const trend = trendOf(
      series((at_s) => 100 + at_s),
      STRICT,
    );
    expect(trend.growth).toBeCloseTo(50);
    expect(trend.flat).toBe(false);
  });

  test("a leak under saw teeth", () => {
    expect(
      trendOf(
        series((at_s) => 100 + at_s + (at_s % 10) * 3),
        STRICT,
      ).flat,
    ).toBe(false);
  });

  test("what nobody looked at", () => {
    expect(trendOf([], STRICT).flat).toBe(false);
  });
});
