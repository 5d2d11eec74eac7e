/**
 * Single-event publishes at an even pace, for measuring something else meanwhile. A program of its own, so that its
 * work does not delay whoever measures. Arguments: base URL, requests a second, seconds. Ends with one line of
 * JSON.
 */
import { events } from "../templates.ts";

const [base, rate, seconds] = process.argv.slice(2);
const TICK_MS = 5;
/** A service that falls behind is not sent ever more: what could not be started counts as missing. */
const OPEN_MAX = 400;

const requests_per_s = Number(rate);
const total = requests_per_s * Number(seconds);
const source = events("v4");
let started = 0;
let skipped = 0;
let open = 0;
let acknowledged = 0;

async function send(): Promise<void> {
  open += 1;
  const request = { method: "POST", body: source.next().value, headers: { "content-type": "application/json" } };
  const response = await fetch(`${base}/publish`, request).catch(() => undefined);
  await response?.arrayBuffer();
  acknowledged += response?.status === 200 ? 1 : 0;
  open -= 1;
}

const began = performance.now();
while (started + skipped < total) {
  const due = Math.min(total, ((performance.now() - began) / 1_000) * requests_per_s);
  while (started + skipped < due) {
    if (open < OPEN_MAX) {
      started += 1;
      void send();
    } else {
      skipped += 1;
    }
  }
  await Bun.sleep(TICK_MS);
}
const elapsed_s = (performance.now() - began) / 1_000;
console.log(JSON.stringify({ acknowledged_per_s: acknowledged / elapsed_s, skipped }));
process.exit(0);
