import { describe, expect, test } from "bun:test";
import { compileTopicPattern, isWildcard, topicPatternFault } from "./topic-pattern.ts";

describe("a pattern matches", () => {
  test.each([
    ["user.auth", ["user.auth"], ["user", "user.auth.login", "user.Auth"]],
    ["user.*", ["user.auth", "user.b"], ["user", "user.auth.login", "users.auth"]],
    ["*.auth", ["user.auth", "x.auth"], ["auth", "user.auth.x", "user.authx"]],
    ["user.>", ["user.auth", "user.auth.login"], ["user", "users.auth"]],
    ["*.*.login", ["user.auth.login"], ["user.login", "a.b.c.login"]],
    ["*.b.>", ["a.b.c", "a.b.c.d"], ["a.b", "a.c.b"]],
    [">", ["a", "a.b.c"], []],
    ["*", ["a"], ["a.b"]],
    // What a regular expression would take for its own.
    ["a+.(b)", ["a+.(b)"], ["aa.b"]],
  ] as const)("%s", (pattern, matching, others) => {
    const matches = compileTopicPattern(pattern);
    expect(topicPatternFault(pattern)).toBeUndefined();
    expect(matching.filter((topic) => !matches(topic))).toEqual([]);
    expect(others.filter((topic) => matches(topic))).toEqual([]);
  });
});

test.each([
  ["user.auth", false],
  ["user.*", true],
  [">", true],
])("%s is a wildcard: %p", (pattern, expected) => {
  expect(isWildcard(pattern)).toBe(expected);
});

describe("a pattern is refused", () => {
  test.each([
    ["", /empty/],
    ["a..b", /tokens/],
    ["a.", /tokens/],
    ["user.>.x", /\* for one whole token/],
    ["us*r", /\* for one whole token/],
    ["user.**", /\* for one whole token/],
    ["a b", /white space/],
    ["a.#", /wildcards/],
    [`${"x".repeat(256)}`, /255/],
  ] as const)("%s", (pattern, why) => {
    expect(topicPatternFault(pattern)).toMatch(why);
  });
});
