/** Patterns of topics as Postgres compares them. */

/**
 * A regular expression that matches the topics that one of the patterns matches.
 * @param patterns without fault, at least one.
 */
export function topicsRegex(patterns: readonly string[]): string {
  return patterns.map(topicRegex).join("|");
}

/**
 * A regular expression (Postgres ARE) that matches the same topics as the contract's `compileTopicPattern`.
 * @param pattern one that has no fault.
 */
export function topicRegex(pattern: string): string {
  const tokens = pattern.split(".").map((token) => {
    if (token === "*") return "[^.]+";
    if (token === ">") return ".+";
    // A backslash before a character that is no letter or digit takes it as it is.
    return token.replace(/[!-/:-@[-`{-~]/g, "\\$&");
  });
  return `^${tokens.join("\\.")}$`;
}
