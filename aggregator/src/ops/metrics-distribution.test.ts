import { expect, test } from "bun:test";
import fc from "fast-check";
import { Histogram, Registry } from "prom-client";
import { DistributionMetric } from "./metrics-distribution.ts";

const BOUNDS = [0.5, 1, 10, 100];

async function show(observe: (registry: Registry) => void): Promise<string> {
  const registry = new Registry();
  observe(registry);
  return await registry.metrics();
}

test("shows what the library's own histogram shows of the same values", async () => {
  const value = fc.oneof(fc.constantFrom(...BOUNDS, 0), fc.integer({ min: 0, max: 1000 }));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom("a", "b"), value)), async (values) => {
      const help = "Help.";
      const own = await show((registry) => {
        const metric = new DistributionMetric({ name: "h", help, registry, bounds: BOUNDS }, "route");
        for (const [route, each] of values) metric.of(route).observe(each);
      });
      const library = await show((registry) => {
        const options = { name: "h", help, registers: [registry], buckets: BOUNDS, labelNames: ["route"] };
        const metric = new Histogram(options);
        for (const [route, each] of values) metric.observe({ route }, each);
      });
      expect(sorted(own)).toEqual(sorted(library));
    }),
  );
});

test("without a label it is one series, there from the beginning", async () => {
  const text = await show((registry) => {
    new DistributionMetric({ name: "h", help: "Help.", registry, bounds: [1] }).of().observe(3);
  });
  expect(text).toContain('h_bucket{le="1"} 0\nh_bucket{le="+Inf"} 1\nh_sum 3\nh_count 1\n');
});

/** Labels stand in any order. */
function sorted(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.replace(/\{(.*)\}/, (_, labels: string) => labels.split(",").toSorted().join()));
}
