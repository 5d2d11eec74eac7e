/**
 * Patterns of topics, as readers and subscribers write them: `*` stands for one whole token, `>` as the last token for
 * one or more. So `user.*` matches `user.auth`, and `user.>` matches `user.auth` and `user.auth.login`, neither `user`.
 * The form is NATS's (docs.nats.io, "Subject-Based Messaging").
 */
import { topicFault } from "./identifiers.ts";

/** True where a pattern names more than one topic. */
export function isWildcard(pattern: string): boolean {
  return /[*>]/.test(pattern);
}

/** @returns what is wrong with a pattern, in words for a person ("must …"), or undefined. */
export function topicPatternFault(pattern: string): string | undefined {
  const tokens = pattern.split(".");
  const isMisplaced = tokens.some((token, index) => {
    if (!isWildcard(token)) return false;
    return !(token === "*" || (token === ">" && index === tokens.length - 1));
  });
  if (isMisplaced) return "must use * for one whole token, and > only for all the last ones: user.*, user.>";
  // What is left is judged as a topic, with each wildcard in the place of a token as long as itself.
  return topicFault(tokens.map((token) => (isWildcard(token) ? "x" : token)).join("."));
}

/** @param patterns without fault. @returns whether one of them matches a topic. */
export function compileTopicPatterns(patterns: readonly string[]): (topic: string) => boolean {
  const matchers = patterns.map(compileTopicPattern);
  return (topic) => matchers.some((matches) => matches(topic));
}

/**
 * @param a, b without fault.
 * @returns the pattern of the topics that both match, or undefined where there is none: that of `user.*` and `*.auth`
 * is `user.auth`.
 */
export function intersectTopicPatterns(a: string, b: string): string | undefined {
  const [left, right] = [a.split("."), b.split(".")];
  const both: string[] = [];
  for (let index = 0; ; index += 1) {
    const [one, other] = [left[index], right[index]];
    if (one === undefined || other === undefined) return one === other ? both.join(".") : undefined;
    // Whatever the other one still asks for: at least this token.
    if (one === ">") return [...both, ...right.slice(index)].join(".");
    if (other === ">") return [...both, ...left.slice(index)].join(".");
    if (one !== other && one !== "*" && other !== "*") return undefined;
    both.push(one === "*" ? other : one);
  }
}

/** Whether every topic that `narrow` matches is matched by `wide` too. A set of topics is written in one way only. */
export function coversTopicPattern(wide: string, narrow: string): boolean {
  return intersectTopicPatterns(wide, narrow) === narrow;
}

/** @param pattern one that has no fault. */
export function compileTopicPattern(pattern: string): (topic: string) => boolean {
  if (!isWildcard(pattern)) return (topic) => topic === pattern;
  const wanted = pattern.split(".");
  const isOpen = wanted.at(-1) === ">";
  const fixed = isOpen ? wanted.slice(0, -1) : wanted;
  return (topic) => {
    const tokens = topic.split(".");
    if (isOpen ? tokens.length <= fixed.length : tokens.length !== fixed.length) return false;
    return fixed.every((token, index) => token === "*" || token === tokens[index]);
  };
}
