/** The service under load, as seen from outside: nothing here knows more than a client may. */
import type { EventRecord, StatsReply } from "@sekali/contract";

const REQUEST_MS_MAX = 10_000;
const PAGE_EVENTS = 1_000;

export type TopicCounts = Omit<StatsReply["topic_counts"][string], "conflicts">;

async function get(url: string): Promise<Response> {
  const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_MS_MAX) }).catch((cause: unknown) => {
    throw new Error(`nothing answers at ${url}: \`make up\` starts the service, TARGET_URL says where it is`, {
      cause,
    });
  });
  if (!response.ok) {
    const text = (await response.text()).slice(0, 300);
    throw new Error(`GET ${url} answered ${response.status}: ${text}`);
  }
  return response;
}

export async function readStats(base: string): Promise<StatsReply> {
  const stats = (await (await get(`${base}/stats`)).json()) as StatsReply;
  if (typeof stats.topic_counts !== "object") {
    throw new Error(
      `${base}/stats has no topic_counts: without counts for each topic this run can't be told from others`,
    );
  }
  return stats;
}

/** What some topics have been counted to, together. */
export function countsOf(stats: StatsReply, topics: readonly string[]): TopicCounts {
  const sum = { unique_processed: 0, duplicate_dropped: 0, dead_lettered: 0 };
  for (const topic of topics) {
    const counts = stats.topic_counts[topic];
    sum.unique_processed += counts?.unique_processed ?? 0;
    sum.duplicate_dropped += counts?.duplicate_dropped ?? 0;
    sum.dead_lettered += counts?.dead_lettered ?? 0;
  }
  return sum;
}

export function processed(counts: TopicCounts): number {
  return counts.unique_processed + counts.duplicate_dropped + counts.dead_lettered;
}

function nextPage(base: string, response: Response): string | undefined {
  const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(response.headers.get("link") ?? "")?.[1];
  return next === undefined ? undefined : new URL(next, base).toString();
}

export interface Page {
  readonly url: string;
  readonly rows: readonly EventRecord[];
}

export async function readPage(url: string): Promise<Page["rows"]> {
  return (await (await get(url)).json()) as EventRecord[];
}

/** The first page, and all that follow through `Link`. @param topic undefined for the events of all topics */
export async function* eventPages(base: string, topic: string | undefined, limit: number): AsyncGenerator<Page> {
  const filter = topic === undefined ? "" : `topic=${encodeURIComponent(topic)}&`;
  let url: string | undefined = `${base}/events?${filter}limit=${limit}`;
  while (url !== undefined) {
    const response: Response = await get(url);
    yield { url, rows: (await response.json()) as EventRecord[] };
    url = nextPage(base, response);
  }
}

/** The events of a topic, newest first, page by page, down to a given time. */
export async function* eventsSince(base: string, topic: string, since_ms: number): AsyncGenerator<EventRecord> {
  for await (const { rows } of eventPages(base, topic, PAGE_EVENTS)) {
    for (const event of rows) {
      if (Date.parse(event.timestamp) < since_ms) {
        return;
      }
      yield event;
    }
  }
}
