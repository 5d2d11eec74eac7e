/** Who asks: what a route may know of the caller, and which topics are the caller's. */
import { compileTopicPatterns } from "@sekali/contract";

export interface Caller {
  /** The key's name; undefined where nobody is asked for one. */
  readonly name: string | undefined;
  /** Patterns; a topic is the caller's if one of them matches it. */
  readonly topics: readonly string[];
  /** True where all topics are the caller's. */
  readonly allowsAll: boolean;
  /** Aborted soon after the key was revoked or has expired. Undefined: that never happens. */
  readonly ended: AbortSignal | undefined;
  /** Milliseconds until the key expires or the session is over, whichever comes first; Infinity: neither does. */
  readonly leftMs: number;
  /** Of what the caller publishes; undefined: no bound of its own. */
  readonly quota: Quota | undefined;
  allows(topic: string): boolean;
}

export interface Quota {
  /** Takes nothing. @throws OverQuota where `take` would. */
  requireRoom(): void;
  /** @throws OverQuota, and takes nothing. */
  take(events: number): void;
  /** What was taken for events that were refused for another reason. */
  giveBack(events: number): void;
}

/** Who calls where nobody is asked (`ACCESS=open`). */
export const EVERYBODY: Caller = {
  name: undefined,
  topics: [">"],
  allowsAll: true,
  ended: undefined,
  leftMs: Number.POSITIVE_INFINITY,
  quota: undefined,
  allows: () => true,
};

/** Who calls a route for anybody, and was not asked: no topic is theirs. */
export const ANYBODY: Caller = {
  name: undefined,
  topics: [],
  allowsAll: false,
  ended: undefined,
  leftMs: Number.POSITIVE_INFINITY,
  quota: undefined,
  allows: () => false,
};

/** Topics are bounded in number (`TOPICS_MAX`), but whoever sends may ask about any. */
const REMEMBERED_MAX = 10_000;

/** @param patterns without fault. @returns whether one of them matches; it remembers its answers. */
export function compileTopics(patterns: readonly string[]): (topic: string) => boolean {
  const matches = compileTopicPatterns(patterns);
  const remembered = new Map<string, boolean>();
  return (topic) => {
    const known = remembered.get(topic);
    if (known !== undefined) return known;
    const allows = matches(topic);
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    remembered.set(topic, allows);
    return allows;
  };
}
