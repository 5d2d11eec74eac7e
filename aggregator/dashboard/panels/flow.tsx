/** Throughput and queue depth, since the page was opened. */
import { computed } from "@preact/signals";
import { Chart, type Line } from "../parts/chart.tsx";
import { formatRate, formatShort } from "../parts/format.ts";
import { Note, Panel } from "../parts/panel.tsx";
import { history } from "../state/history.ts";

const times = computed(() => history.value.map(({ atMs }) => atMs));

const throughput = computed<readonly Line[]>(() => [
  { name: "received", ink: "ink-received", values: history.value.map(({ received }) => received), isArea: true },
  { name: "unique", ink: "ink-unique", values: history.value.map(({ unique }) => unique) },
  { name: "duplicate", ink: "ink-duplicate", values: history.value.map(({ duplicate }) => duplicate) },
]);

const depth = computed<readonly Line[]>(() => [
  { name: "queued", ink: "ink-queued", values: history.value.map(({ queued }) => queued), isArea: true },
]);

export function Flow() {
  return (
    <Panel id="flow" title="Flow" aside="the last ten minutes of this page">
      {history.value.length < 2 ? (
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
