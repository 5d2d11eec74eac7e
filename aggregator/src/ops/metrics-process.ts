/**
 * What is known of the process itself: of the library's own metrics those that mean something in this runtime.
 *
 * Left out, because Bun has nothing behind the name: garbage collections, heap spaces, handles and requests of libuv.
 * Left out, because JavaScriptCore reserves gigabytes that it never uses: the sizes of virtual memory and data segment.
 */
import { collectDefaultMetrics, Registry } from "prom-client";

/** In the library's order: the first of each group reads the values of all of it. */
const KEPT = [
  "process_cpu_user_seconds_total",
  "process_cpu_system_seconds_total",
  "process_cpu_seconds_total",
  "process_start_time_seconds",
  "process_resident_memory_bytes",
  "process_open_fds",
  "process_max_fds",
  "nodejs_eventloop_lag_seconds",
  "nodejs_eventloop_lag_mean_seconds",
  "nodejs_eventloop_lag_p99_seconds",
  "nodejs_eventloop_lag_max_seconds",
  "nodejs_heap_size_used_bytes",
  "nodejs_external_memory_bytes",
];

/** How often the event loop is looked at, which wakes a process at rest: every 50 ms took 0.3 % of a processor. */
const EVENT_LOOP_PRECISION_MS = 100;

export function registerProcessMetrics(registry: Registry): void {
  const all = new Registry();
  collectDefaultMetrics({ register: all, eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION_MS });
  for (const name of KEPT) {
    const metric = all.getSingleMetric(name);
    // Some are there on Linux only.
    if (metric !== undefined) registry.registerMetric(metric);
  }
}
