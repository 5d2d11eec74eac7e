/** What the counts were while the page was open: ten minutes of samples, forgotten with the page. */
import { effect, signal } from "@preact/signals";
import { type Counts, type Sample, samplesOf } from "./samples.ts";
import { stats } from "./service.ts";

const SAMPLES_MAX = 600;

export const history = signal<readonly Sample[]>([]);

let before: { atMs: number; counts: Counts } | undefined;
effect(() => {
  const counts = stats.value.value;
  const atMs = stats.atMs.value;
  if (counts === undefined || atMs === undefined || atMs === before?.atMs) return;
  history.value = [...history.peek(), ...samplesOf(before, atMs, counts)].slice(-SAMPLES_MAX);
  before = { atMs, counts };
});
