import { expect, test } from "bun:test";
import type { Handout } from "../store/subscription-port.ts";
import { Desk } from "./desk.ts";

const EVENT = { shard: 0, seq: 1, attempt: 1, record: "{}" };

test("a consumer that has gone while it stood in line is handed nothing: the next one is", async () => {
  const asked: PromiseWithResolvers<Handout>[] = [];
  const desk = new Desk();
  const ask = () => {
    const question = Promise.withResolvers<Handout>();
    asked.push(question);
    return question.promise;
  };
  const stays = new AbortController().signal;
  const leaves = new AbortController();
  const first = desk.next(ask, stays, stays);
  const second = desk.next(ask, leaves.signal, stays);
  const third = desk.next(ask, stays, stays);
  await Promise.resolve();
  leaves.abort();
  asked[0]?.resolve({ events: [EVENT], isMoving: true });
  expect((await first)?.events).toHaveLength(1);
  expect((await second)?.events).toEqual([]);
  expect(asked).toHaveLength(2);
  asked[1]?.resolve({ events: [{ ...EVENT, seq: 2 }], isMoving: true });
  expect((await third)?.events).toMatchObject([{ seq: 2 }]);
  expect(desk.isEmpty).toBe(true);
});

test("one that does not want to wait is asked for once all the same", async () => {
  let asked = 0;
  const ask = async () => {
    asked += 1;
    return { events: [], isMoving: false };
  };
  await new Desk().next(ask, new AbortController().signal, AbortSignal.abort());
  expect(asked).toBe(1);
});
