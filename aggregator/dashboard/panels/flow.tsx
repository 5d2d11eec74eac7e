/** Throughput and queue depth of the last quarter of an hour, or since the service remembers. */
import { computed } from "@preact/signals";
import { Chart, type Line } from "../parts/chart.tsx";
import { formatClock, formatRate, formatShort } from "../parts/format.ts";
import { Note, Panel } from "../parts/panel.tsx";
import { history, rememberedSinceMs, WINDOW_MS } from "../state/history.ts";

/** What a window that is full may lack at its beginning: samples are some seconds apart. */
const LACK_MS = 15_000;

const times = computed(() => history.value.map(({ atMs }) => atMs));

const throughput = computed<readonly Line[]>(() => [
  { name: "received", ink: "ink-received", values: history.value.map(({ received }) => received), isArea: true },
  { name: "unique", ink: "ink-unique", values: history.value.map(({ unique }) => unique) },
  { name: "duplicate", ink: "ink-duplicate", values: history.value.map(({ duplicate }) => duplicate) },
]);

const depth = computed<readonly Line[]>(() => [
  { name: "queued", ink: "ink-queued", values: history.value.map(({ queued }) => queued), isArea: true },
]);

/** How far back it goes, and why no farther. */
const span = computed(() => {
  const [first = 0, last = 0] = [times.value[0], times.value.at(-1)];
  if (last - first > WINDOW_MS - LACK_MS) return "the last 15 minutes";
  const began = rememberedSinceMs.value;
  const isWhole = began !== undefined && Math.abs(first - began) < LACK_MS;
  return `since ${formatClock(first)}${isWhole ? ", when this process started" : ""}`;
});

export function Flow() {
  const isEmpty = history.value.length < 2;
  return (
    <Panel id="flow" title="Flow" aside={isEmpty ? undefined : span.value}>
      {isEmpty ? (
        <Note busy>Collecting the first samples …</Note>
      ) : (
        <div class="charts">
          <Chart title="Events a second" timesMs={times.value} lines={throughput.value} format={formatRate} />
          <Chart title="Queue depth" timesMs={times.value} lines={depth.value} format={formatShort} />
        </div>
      )}
    </Panel>
  );
}
