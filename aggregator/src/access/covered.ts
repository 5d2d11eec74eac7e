/**
 * What of a question is the caller's: routes ask here before they ask the store, so that no reply names, counts or
 * shows an event of a topic that the key does not cover.
 */
import { coversTopicPattern, intersectTopicPatterns, isWildcard, type ProblemPlace } from "@sekali/contract";
import { RequestError } from "../problem.ts";
import type { Caller } from "./caller.ts";

/**
 * The patterns of what a pattern and the caller have in common.
 * @param pattern one without fault; a topic is one too.
 * @throws RequestError 403 where that is nothing.
 */
export function narrowed(caller: Caller, pattern: string): readonly string[] {
  if (caller.allowsAll) return [pattern];
  const both = caller.topics.flatMap((own) => intersectTopicPatterns(own, pattern) ?? []);
  // Most keys have few patterns; what one of the others covers would only be looked for twice.
  const least = both.filter(
    (each, index) => !both.some((other, at) => at !== index && isWider(other, each, at < index)),
  );
  if (least.length > 0) return least;
  const subject = isWildcard(pattern) ? `No topic that \`${pattern}\` matches is` : `The topic \`${pattern}\` is not`;
  throw notCovered(`${subject} one of this key's.`);
}

function isWider(wide: string, narrow: string, isFirst: boolean): boolean {
  return wide === narrow ? isFirst : coversTopicPattern(wide, narrow);
}

/** @throws RequestError 403 */
export function requireTopic(caller: Caller, topic: string): void {
  if (!caller.allows(topic)) throw notCovered(`The topic \`${topic}\` is not one of this key's.`);
}

/** Whether one of the caller's patterns covers all that a pattern matches. */
export function coversPattern(caller: Caller, pattern: string): boolean {
  return caller.allowsAll || caller.topics.some((own) => coversTopicPattern(own, pattern));
}

/** For what belongs to no topic that could be trusted. @throws RequestError 403 */
export function requireAllTopics(caller: Caller, what: string): void {
  if (!caller.allowsAll) throw notCovered(`${what} may be of any topic, so this needs a key for all of them.`);
}

export function notCovered(detail: string, errors: readonly ProblemPlace[] = []): RequestError {
  return new RequestError({ status: 403, name: "topic-not-covered", title: "Not a topic of this key", detail, errors });
}
