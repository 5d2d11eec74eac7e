/**
 * The live tail: stored events as `GET /subscribe` sends them, the newest few of them on show.
 *
 *   off ──open──▶ opening ──▶ following ──lost──▶ opening (from where it was) …
 *
 * However many events come, the page keeps a bounded number of rows and draws so many a second as eyes can follow. The
 * others are counted, and the page says that it left them out. While it is paused, the newest are kept for later.
 */
import { batch, effect, signal } from "@preact/signals";
import { topicPatternFault } from "@sekali/contract/topic-pattern";
import { watchStream } from "./stream.ts";

const ROWS_MAX = 150;
const DRAW_MS = 400;
const ROWS_PER_DRAW_MAX = 20;

export interface TailRow {
  /** Counts up, for as long as the page lives. */
  readonly key: number;
  /** The event as it was sent: JSON text. */
  readonly text: string;
}

export const pattern = signal("");
export const source = signal("");
export const words = signal("");
export const isPaused = signal(false);

/** Newest first. */
export const rows = signal<readonly TailRow[]>([]);
/** Matching events that came while the tail was paused. */
export const heldBack = signal(0);
/** Events that came and matched, since the filter was set. */
export const seen = signal(0);
/** Those of them that came too fast to be shown. */
export const leftOut = signal(0);
export const state = signal<"opening" | "following" | "lost">("opening");
export const patternFault = signal<string | undefined>(undefined);

let waiting: TailRow[] = [];
let came = 0;
let skipped = 0;
let nextKey = 0;

function take(text: string): void {
  if (!matches(text)) return;
  came += 1;
  nextKey += 1;
  waiting.push({ key: nextKey, text });
  const most = isPaused.peek() ? ROWS_MAX : ROWS_PER_DRAW_MAX;
  if (waiting.length > 2 * most) leaveOut(most);
}

/** Lets all but the newest go. */
function leaveOut(most: number): void {
  skipped += Math.max(0, waiting.length - most);
  waiting = waiting.slice(-most);
}

/** Source and words are looked for here; topics by the service. */
function matches(text: string): boolean {
  const wanted = words.peek().toLowerCase();
  if (wanted !== "" && !text.toLowerCase().includes(wanted)) return false;
  const from = source.peek();
  return from === "" || (JSON.parse(text) as { source: string }).source.includes(from);
}

function draw(): void {
  if (came === 0 && (isPaused.peek() || waiting.length === 0)) return;
  batch(() => {
    seen.value += came;
    if (isPaused.peek()) heldBack.value += came;
    else {
      leaveOut(heldBack.peek() > 0 ? ROWS_MAX : ROWS_PER_DRAW_MAX);
      rows.value = [...waiting.toReversed(), ...rows.peek()].slice(0, ROWS_MAX);
      heldBack.value = 0;
      waiting = [];
    }
    leftOut.value += skipped;
    came = 0;
    skipped = 0;
  });
}

export function clear(): void {
  waiting = [];
  came = 0;
  skipped = 0;
  batch(() => {
    rows.value = [];
    leftOut.value = 0;
    seen.value = 0;
    heldBack.value = 0;
  });
}

export function pause(): void {
  isPaused.value = true;
}

export function resume(): void {
  isPaused.value = false;
  draw();
}

/** Follows what the filters say, from now on; begins again when they change. */
export function startTail(): void {
  setInterval(draw, DRAW_MS);
  effect(() => {
    const topic = pattern.value.trim() || ">";
    patternFault.value = topicPatternFault(topic);
    clear();
    if (patternFault.peek() !== undefined) return;
    return watchStream(`/subscribe?topic=${encodeURIComponent(topic)}`, take, (now) => {
      state.value = now;
    });
  });
  effect(() => {
    source.value;
    words.value;
    clear();
  });
}
