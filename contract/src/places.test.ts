import { describe, expect, test } from "bun:test";
import { Places, pointerToken } from "./places.ts";

describe("places", () => {
  test("names each place once, with what was found there first", () => {
    const places = new Places();
    places.add("/a", "first");
    places.add("/a", "second");
    places.add("/b", "third");
    expect(places.named).toEqual([
      { pointer: "/a", detail: "first" },
      { pointer: "/b", detail: "third" },
    ]);
  });

  test("is full after 20, and then names no more", () => {
    const places = new Places();
    for (let index = 0; index < 19; index++) places.add(`/${index}`, "is wrong");
    expect(places.isFull).toBe(false);
    places.add("/19", "is wrong");
    expect(places.isFull).toBe(true);
    places.add("/20", "is wrong");
    expect(places.named).toHaveLength(20);
    expect(places.named.at(-1)?.pointer).toBe("/19");
  });

  test("counts what repeats itself, so that looking for faults has an end", () => {
    const places = new Places();
    for (let index = 0; index < 20; index++) places.add("/a", "is wrong");
    expect(places.isFull).toBe(true);
    expect(places.named).toHaveLength(1);
  });

  test("cuts a long pointer", () => {
    const places = new Places();
    places.add("/a".repeat(1000), "is wrong");
    const pointer = places.named[0]?.pointer ?? "";
    expect(pointer).toHaveLength(256);
    expect(pointer).toEndWith("…");
  });
});

describe("a pointer's token", () => {
  test.each([
    [3, "/3"],
    ["", "/"],
    ["a b", "/a b"],
    ["a/b~c", "/a~1b~0c"],
    ["~1", "/~01"],
    ["k".repeat(64), `/${"k".repeat(64)}`],
    ["k".repeat(65), `/${"k".repeat(63)}…`],
    ["\ud83d", "/\ufffd"],
    [`${"k".repeat(62)}🙂🙂`, `/${"k".repeat(62)}\ufffd…`],
  ])("of %j is %j", (name, token) => {
    expect(pointerToken(name)).toBe(token);
  });
});
