/** What an operator reads: structured, one line an event of note, bounded in a flood, values never raw. */
import { afterEach, expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { batchesOf, makeEvent, makeEvents } from "../harness/event-factory.ts";
import { openStack, type Stack } from "../harness/stack.ts";

useBackingServers();
let stack: Stack;
afterEach(async () => await stack[Symbol.asyncDispose]());

type Line = Readonly<Record<string, unknown>>;

/** Every line must be a JSON object of its own. */
function lines(): Line[] {
  return stack.aggregators.flatMap(({ log }) =>
    log.filter((text) => text !== "").map((text) => JSON.parse(text) as Line),
  );
}

function duplicates(): Line[] {
  return lines().filter((line) => line["msg"] === "Duplicate dropped");
}

test("a duplicate is named at WARN with topic, event_id and source, and hostile text stays inside its line", async () => {
  stack = await openStack();
  const aggregator = await stack.start();
  const source = 'evil\n{"level":"error","msg":"forged"}\u001b[31m\u007f\u009b2J';
  const event = makeEvent({ source });
  await stack.publisher.publishStored([event]);
  await stack.publisher.publishStored([event]);
  await aggregator.logged(/Duplicate dropped/);
  const { topic, event_id } = event;
  expect(duplicates()).toEqual([expect.objectContaining({ topic, event_id, source })]);
  expect(String(duplicates()[0]?.["level"])).toMatch(/^(warn|40)$/);
  expect(lines().some((line) => line["msg"] === "forged")).toBe(false);
  // C1 too: a terminal takes U+009B for the beginning of a command, and JSON does not escape it by itself.
  expect(aggregator.log.filter((text) => /\p{Cc}/u.test(text))).toEqual([]);
});

test("a flood of duplicates is counted, not told one by one", async () => {
  stack = await openStack();
  const aggregator = await stack.start();
  const events = makeEvents(2_000);
  await stack.publisher.publishAll(batchesOf(events, 200));
  for (let again = 0; again < 3; again += 1) await stack.publisher.publishAll(batchesOf(events, 200));
  await stack.expectExact();
  await aggregator.logged(/Duplicate dropped/);
  // What was left out is told as a number.
  await aggregator.logged(/left_out/i);
  expect(duplicates().length).toBeLessThan(1_000);
});
