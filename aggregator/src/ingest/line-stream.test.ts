import { expect, test } from "bun:test";
import { EVERYBODY } from "../access/caller.ts";
import { Intake } from "./intake.ts";
import { takeLines } from "./line-stream.ts";

const EVENT = {
  topic: "a.b",
  event_id: "0197a3c0-0000-7000-8000-000000000001",
  timestamp: "2026-01-31T12:00:00Z",
  source: "s",
  payload: {},
};

/** Room for everything. */
const roomy = new Intake(
  { submit: async () => ({ shard: 0, epoch: 1, firstSeq: 1, lastSeq: 1 }) },
  { of: async () => [] },
  { admit: () => new Set(), topicsMax: 10 },
  { bodyBytesMax: 1000, batchEventsMax: 10 },
);

test("the server hears of each piece that arrives, so that a long stream is not cut off", async () => {
  const pieces = [JSON.stringify(EVENT), "\n", JSON.stringify(EVENT), "\n"];
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(piece));
    },
  });
  const request = new Request("http://test/publish", { method: "POST", body });
  let heard = 0;
  const response = await takeLines(request, EVERYBODY, "queued", roomy, () => {
    heard += 1;
  });
  expect(await response.json()).toEqual({ status: "queued", count: 2 });
  expect(heard).toBe(4);
});
