/**
 * What a soak sends: single events and small batches at an even pace, three in ten of them duplicates, by clients that
 * keep their connection, clients that open one for each request, and clients that take many seconds to send a body.
 * A program of its own, so that its work does not delay whoever samples.
 *
 * Arguments: base URL, events a second (0: as many as are answered), seconds, slow clients. Every request is repeated
 * until it is acknowledged. Ends with one line of JSON: `Sent`.
 */
import { ExponentialBackoff, fullJitterGenerator, handleAll, retry } from "cockatiel";
import { RECENT_MAX, TEMPLATES } from "../../bench/templates.ts";
import type { Sent } from "../soak.ts";
import { SlowClient } from "./slow-client.ts";

const [base = "", rateText, secondsText, slowText] = process.argv.slice(2);
const TICK_MS = 5;
const OPEN_MAX = 128;
const BATCH_EVENTS = 20;
const BATCH_SHARE = 0.05;
const NEW_CONNECTION_SHARE = 0.05;
const DUPLICATE_SHARE = 0.3;
const REQUEST_MS_MAX = 20_000;
const TRIES_MAX = 12;

const patience = retry(handleAll, {
  maxAttempts: TRIES_MAX,
  backoff: new ExponentialBackoff({ generator: fullJitterGenerator, initialDelay: 100, maxDelay: 3_000 }),
});

const sent: Sent = { attempted: 0, acknowledged: 0, identities: 0, requests: 0, failed: 0, given_up: 0, elapsed_s: 0 };
const recent: string[] = [];
let open = 0;

function event(): string {
  const repeated = recent[Math.floor(Math.random() * recent.length)];
  if (repeated !== undefined && Math.random() < DUPLICATE_SHARE) return repeated;
  const template = TEMPLATES[sent.identities % TEMPLATES.length];
  if (template === undefined) throw new Error("there are no templates");
  const timestamp = new Date().toISOString();
  const text = `${template.head}${crypto.randomUUID()}","timestamp":"${timestamp}${template.tail}`;
  recent[sent.identities % RECENT_MAX] = text;
  sent.identities += 1;
  return text;
}

async function attempt(body: string, events: number, keepalive: boolean): Promise<void> {
  sent.attempted += events;
  const response = await fetch(`${base}/publish`, {
    method: "POST",
    body,
    keepalive,
    headers: { "content-type": "application/json" },
    signal: AbortSignal.timeout(REQUEST_MS_MAX),
  });
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`answered with ${response.status}`);
  sent.acknowledged += events;
}

async function send(events: number): Promise<void> {
  open += 1;
  sent.requests += 1;
  const texts = Array.from({ length: events }, event);
  const body = events === 1 ? (texts[0] ?? "") : `[${texts.join(",")}]`;
  const keepalive = Math.random() >= NEW_CONNECTION_SHARE;
  try {
    await patience.execute(() => attempt(body, events, keepalive));
  } catch {
    sent.given_up += 1;
  }
  open -= 1;
}

patience.onFailure(() => {
  sent.failed += 1;
});

/** A client that dribbles one event after the other, each over a connection of its own. */
async function dribble(slow: SlowClient, until: () => boolean): Promise<void> {
  while (!until()) {
    sent.requests += 1;
    const body = event();
    await patience
      .execute(async () => {
        sent.attempted += 1;
        await slow.publish(body);
        sent.acknowledged += 1;
      })
      .catch(() => {
        sent.given_up += 1;
      });
  }
}

const events_per_s = Number(rateText);
const seconds = Number(secondsText);
const began = performance.now();
const elapsedS = () => (performance.now() - began) / 1_000;
const slow = Array.from({ length: Number(slowText) }, () => dribble(new SlowClient(base), () => elapsedS() >= seconds));
let due = 0;
while (elapsedS() < seconds) {
  const goal = events_per_s === 0 ? Number.POSITIVE_INFINITY : elapsedS() * events_per_s;
  while (due < goal && open < OPEN_MAX) {
    const events = Math.random() < BATCH_SHARE ? BATCH_EVENTS : 1;
    due += events;
    void send(events);
  }
  await Bun.sleep(events_per_s === 0 ? 0 : TICK_MS);
}
const elapsed_s = elapsedS();
await Promise.all(slow);
while (open > 0) await Bun.sleep(TICK_MS);
console.log(JSON.stringify({ ...sent, elapsed_s }));
process.exit(0);
