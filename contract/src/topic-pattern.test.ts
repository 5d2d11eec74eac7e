import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  compileTopicPattern,
  compileTopicPatterns,
  coversTopicPattern,
  intersectTopicPatterns,
  isWildcard,
  topicPatternFault,
} from "./topic-pattern.ts";

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

describe("two patterns have in common", () => {
  test.each([
    [">", "user.auth", "user.auth"],
    ["user.>", "user.>", "user.>"],
    ["user.*", "*.auth", "user.auth"],
    ["user.>", "*.*.login", "user.*.login"],
    ["*", ">", "*"],
    ["user.*.x", "user.auth.>", "user.auth.x"],
    ["*.>", "user.>", "user.>"],
    ["user.>", "user", undefined],
    ["user.>", "*", undefined],
    ["user.*", "shop.*", undefined],
    ["user.*", "user.auth.login", undefined],
    ["user.auth", "user.auth.login", undefined],
  ])("%s and %s: %p", (a, b, both) => {
    expect(intersectTopicPatterns(a, b)).toBe(both as string);
    expect(intersectTopicPatterns(b, a)).toBe(both as string);
  });

  const token = fc.constantFrom("a", "b", "*");
  const pattern = fc
    .tuple(fc.array(token, { maxLength: 3 }), fc.constantFrom("a", "b", "*", ">"))
    .map(([tokens, last]) => [...tokens, last].join("."));
  const topics = fc.sample(
    fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join(".")),
    { numRuns: 300, seed: 1 },
  );

  test("exactly the topics that each of them matches, in a pattern without fault", () => {
    fc.assert(
      fc.property(pattern, pattern, (a, b) => {
        const both = intersectTopicPatterns(a, b);
        const [inA, inB] = [compileTopicPattern(a), compileTopicPattern(b)];
        const inBoth = compileTopicPatterns(both === undefined ? [] : [both]);
        expect(topicPatternFault(both ?? "a")).toBeUndefined();
        expect(topics.filter(inBoth)).toEqual(topics.filter((topic) => inA(topic) && inB(topic)));
      }),
    );
  });

  test("and one covers the other where they have all of the other's in common", () => {
    fc.assert(
      fc.property(pattern, pattern, (wide, narrow) => {
        if (!coversTopicPattern(wide, narrow)) return;
        const [inWide, inNarrow] = [compileTopicPattern(wide), compileTopicPattern(narrow)];
        expect(topics.filter((topic) => inNarrow(topic) && !inWide(topic))).toEqual([]);
      }),
    );
    expect(coversTopicPattern("user.>", "user.*")).toBe(true);
    expect(coversTopicPattern("user.*", "user.>")).toBe(false);
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
