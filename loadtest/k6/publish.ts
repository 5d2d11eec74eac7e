/**
 * One publish as a real client makes it: on 503, or when no answer came, wait and send the same bytes again.
 * Retrying is safe because the service keeps each identity once; a client that gave up at the first 503 would
 * measure itself.
 *
 * Counts every attempt and every acknowledgement, because the recount holds the service to them: it may have
 * received no less than was acknowledged and no more than was attempted.
 */
import { sleep } from "k6";
import http from "k6/http";
import { Counter, Trend } from "k6/metrics";

const WAIT_MS_FIRST = 100;
const WAIT_MS_MAX = 3_000;
const REQUEST_TIMEOUT = "15s";
/** k6's code for it. Nobody was there, so nothing can have been received: the recount's interval stays narrow. */
const CONNECTION_REFUSED = 1212;

const deliveries_attempted = new Counter("deliveries_attempted");
const deliveries_acknowledged = new Counter("deliveries_acknowledged");
const identities_acknowledged = new Counter("identities_acknowledged");
const requests_started = new Counter("requests_started");
const requests_given_up = new Counter("requests_given_up");
const replies_overloaded = new Counter("replies_overloaded");
const replies_lost = new Counter("replies_lost");
const replies_wrong = new Counter("replies_wrong");
const told_stored = new Counter("told_stored");
const told_duplicate = new Counter("told_duplicate");
const acknowledge_ms = new Trend("acknowledge_ms", true);
const stored_ms = new Trend("stored_ms", true);

export interface Publish {
  readonly url: string;
  /** The name of the stream or race; counters are kept for each. */
  readonly stream: string;
  readonly number: number;
  readonly ack: "queued" | "stored";
  readonly body: string;
  readonly deliveries: number;
  readonly fresh: number;
  readonly tries_max: number;
}

interface Acknowledgement {
  readonly status: string;
  readonly count: number;
  readonly unique?: number;
  readonly duplicates?: number;
}

function waitMs(attempt: number, retryAfter: string | undefined): number {
  const asked = Number(retryAfter ?? 0) * 1_000;
  const backoff = Math.min(WAIT_MS_MAX, WAIT_MS_FIRST * 2 ** attempt);
  // Full jitter, and on top of what the server asked for, or all callers would come back in the same instant.
  return (Number.isFinite(asked) ? Math.min(asked, WAIT_MS_MAX) : 0) + Math.random() * backoff;
}

function countAcknowledged(one: Publish, reply: Acknowledgement, elapsed_ms: number): void {
  const tags = { stream: one.stream };
  if (reply.status !== one.ack || reply.count !== one.deliveries) {
    replies_wrong.add(1, tags);
    console.error(`wrong ${one.stream} ${one.number} ${JSON.stringify(reply).slice(0, 300)}`);
    return;
  }
  deliveries_acknowledged.add(reply.count, tags);
  identities_acknowledged.add(one.fresh, tags);
  if (one.ack === "stored") {
    told_stored.add(reply.unique ?? 0, tags);
    told_duplicate.add(reply.duplicates ?? 0, tags);
    stored_ms.add(elapsed_ms, tags);
  } else {
    acknowledge_ms.add(elapsed_ms, tags);
  }
}

export function publish(one: Publish): void {
  const tags = { stream: one.stream };
  const url = one.ack === "stored" ? `${one.url}/publish?ack=stored` : `${one.url}/publish`;
  const parameters = { headers: { "content-type": "application/json" }, timeout: REQUEST_TIMEOUT, tags };
  const started = Date.now();
  requests_started.add(1, tags);
  for (let attempt = 0; attempt < one.tries_max; attempt += 1) {
    const response = http.post(url, one.body, parameters);
    if (response.error_code !== CONNECTION_REFUSED) {
      deliveries_attempted.add(one.deliveries, tags);
    }
    if (response.status === 200) {
      const elapsed_ms = attempt === 0 ? response.timings.duration : Date.now() - started;
      countAcknowledged(one, response.json() as unknown as Acknowledgement, elapsed_ms);
      return;
    }
    if (response.status !== 503 && response.status !== 0) {
      replies_wrong.add(1, tags);
      console.error(`wrong ${one.stream} ${one.number} ${response.status} ${String(response.body).slice(0, 300)}`);
      return;
    }
    const retryAfter = response.headers["Retry-After"];
    if (response.status === 503 && retryAfter === undefined) {
      replies_wrong.add(1, tags);
      console.error(`wrong ${one.stream} ${one.number} 503 without Retry-After`);
    }
    (response.status === 503 ? replies_overloaded : replies_lost).add(1, tags);
    if (attempt + 1 < one.tries_max) {
      sleep(waitMs(attempt, retryAfter) / 1_000);
    }
  }
  requests_given_up.add(1, tags);
  // The recount reads this line: only the identities of these requests have an unknown outcome.
  console.error(`given_up ${one.stream} ${one.number}`);
}
