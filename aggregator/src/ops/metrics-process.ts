/**
 * What is known of the process itself: of the library's own metrics those that mean something in this runtime.
 *
 * Left out, because Bun has nothing behind the name: garbage collections, heap spaces, handles and requests of libuv.
 * Left out, because JavaScriptCore reserves gigabytes that it never uses: the sizes of virtual memory and data segment.
 * The lag of the event loop is read here: the library's says NaN to whoever asks soon after somebody else.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Gauge, Registry } from "prom-client";
import heap from "prom-client/lib/metrics/heapSizeAndUsed";
import memory from "prom-client/lib/metrics/osMemoryHeap";
import cpu from "prom-client/lib/metrics/processCpuTotal";
import maxDescriptors from "prom-client/lib/metrics/processMaxFileDescriptors";
import openDescriptors from "prom-client/lib/metrics/processOpenFileDescriptors";
import startTime from "prom-client/lib/metrics/processStartTime";

/** In the library's order: the first of each group reads the values of all of it. */
const KEPT = [
  "process_cpu_user_seconds_total",
  "process_cpu_system_seconds_total",
  "process_cpu_seconds_total",
  "process_start_time_seconds",
  "process_resident_memory_bytes",
  "process_open_fds",
  "process_max_fds",
  "nodejs_heap_size_total_bytes",
  "nodejs_heap_size_used_bytes",
  "nodejs_external_memory_bytes",
];

/** How often the event loop is looked at, which wakes a process at rest: every 50 ms took 0.3 % of a processor. */
const EVENT_LOOP_PRECISION_MS = 100;

export function registerProcessMetrics(registry: Registry): void {
  const all = new Registry();
  for (const register of [cpu, startTime, memory, openDescriptors, maxDescriptors, heap]) register(all);
  for (const name of KEPT) {
    const metric = all.getSingleMetric(name);
    // Some are there on Linux only.
    if (metric !== undefined) registry.registerMetric(metric);
  }
  registerEventLoopLag(registry);
}

/** Since somebody asked last; as before where nothing was seen since. */
function registerEventLoopLag(registry: Registry): void {
  const seen = monitorEventLoopDelay({ resolution: EVENT_LOOP_PRECISION_MS });
  seen.enable();
  let lag = { mean: 0, p99: 0, max: 0 };
  const refresh = () => {
    if (seen.count === 0) return;
    lag = { mean: seen.mean / 1e9, p99: seen.percentile(99) / 1e9, max: seen.max / 1e9 };
    seen.reset();
  };
  const gauge = (name: string, help: string, read: () => number) => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        refresh();
        this.set(read());
      },
    });
  };
  gauge(
    "nodejs_eventloop_lag_mean_seconds",
    "How late the event loop was on average since the last scrape.",
    () => lag.mean,
  );
  gauge("nodejs_eventloop_lag_p99_seconds", "How late the event loop was in the worst hundredth.", () => lag.p99);
  gauge(
    "nodejs_eventloop_lag_max_seconds",
    "How late the event loop was at most since the last scrape.",
    () => lag.max,
  );
}
