import { expect, test } from "bun:test";
import { withoutOverrides } from "./text.ts";

test("what turns the direction of writing around is seen, and is still JSON", () => {
  const text = JSON.stringify({ a: "\u202evil\u202c", b: "\u2066x\u2069" });
  const shown = withoutOverrides(text);
  expect(shown).toBe('{"a":"\\u202evil\\u202c","b":"\\u2066x\\u2069"}');
  expect(JSON.parse(shown)).toEqual(JSON.parse(text));
});

test.each(["שלום עולם", "حدث.طلب", "👩‍👩‍👧‍👦", "a\nb"])("%j is as it was", (text) => {
  expect(withoutOverrides(text)).toBe(text);
});
