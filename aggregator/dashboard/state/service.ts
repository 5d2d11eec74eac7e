/** What the dashboard knows of the service: its replies, and whether it answers. */
import { computed } from "@preact/signals";
import type {
  DeadLetterReply,
  DuplicateRecord,
  ReadinessReply,
  StatsReply,
  SubscriptionReply,
  TopicRecord,
  WorkersReply,
} from "@sekali/contract";
import { parseRecords } from "../parts/exact-json.ts";
import { keepAsking } from "./fetched.ts";
import { may } from "./session.ts";

export type ShardState = NonNullable<WorkersReply["shards"]>[number];
export type LoopState = WorkersReply["loops"][number];

/** Rates and the chart are as fine as this. */
export const SAMPLE_MS = 1000;

export const stats = keepAsking<StatsReply>("/stats", { everyMs: SAMPLE_MS });
export const readiness = keepAsking<ReadinessReply>("/readyz", {
  everyMs: SAMPLE_MS,
  alsoFine: [503],
  scope: "anybody",
});
export const workers = keepAsking<WorkersReply>("/workers", { everyMs: SAMPLE_MS });

/** As many as the service takes, unless it is told otherwise. */
const TOPICS_SHOWN_MAX = 1000;
export const topics = keepAsking<readonly TopicRecord[]>(`/topics?limit=${TOPICS_SHOWN_MAX}`, {
  everyMs: 3 * SAMPLE_MS,
});

/** Those that came last; the audit keeps all. */
export const conflicts = keepAsking<readonly DuplicateRecord[]>("/duplicates?conflict=true&limit=20", {
  everyMs: 5 * SAMPLE_MS,
  parse: parseRecords,
});

export const subscriptions = keepAsking<readonly SubscriptionReply[]>("/subscriptions", { everyMs: 3 * SAMPLE_MS });

export const DEAD_LETTERS_SHOWN_MAX = 50;
/** Those that nobody has replayed or deleted, the youngest first. */
export const deadLetters = keepAsking<readonly DeadLetterReply[]>(
  `/dead-letters?resolved=false&limit=${DEAD_LETTERS_SHOWN_MAX}`,
  { everyMs: 5 * SAMPLE_MS, scope: "admin" },
);

export type Connection = "connecting" | "live" | "degraded" | "disconnected";

/** The process answers readiness whatever its dependencies do, so that reply alone says whether it is there. */
export const connection = computed<Connection>(() => {
  const fault = readiness.fault.value;
  if (fault !== undefined) return "disconnected";
  const ready = readiness.value.value;
  if (ready === undefined) return "connecting";
  // Who may not read has no counts, and the service is fine all the same.
  const isCounting = stats.fault.value === undefined || !may("read");
  return ready.status === "ready" && isCounting ? "live" : "degraded";
});
