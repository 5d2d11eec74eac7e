/**
 * Traces by OpenTelemetry's own SDK: spans of requests and of the transactions that commit what they sent.
 *
 * Nothing is patched or registered: there is no automatic instrumentation, no global provider, and only what passes
 * through here has a span. What can't be exported is dropped, past the SDK's bound of spans that wait; publishing
 * neither waits for it nor hears of it. The log does, a line a second at most.
 *
 * The SDK reads the variables of its own that nothing here is decided by: `OTEL_RESOURCE_ATTRIBUTES`, and of the
 * exporter's headers, time-outs, compression and certificates (`OTEL_EXPORTER_OTLP_*`).
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { ExportResultCode, parseTraceParent, W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { version } from "../../package.json";
import type { TracingSettings } from "../tracing-config.ts";
import { type Logger, Throttle } from "./log.ts";
import { ENTRY_TRACES_MAX, type TracedTransaction, type Tracing } from "./tracing-port.ts";

/** Spans of one transaction; requests past that have none, though their entries named them. */
const TRANSACTION_SPANS_MAX = 128;
const EXPORT_LINES_PER_SECOND = 1;
/** Of the 10 s that stopping may take. */
const STOP_MS_MAX = 500;

export function startTracing(settings: TracingSettings, log: Logger): Tracing {
  const { serviceName } = settings;
  const exporter = new LoggedExporter(new OTLPTraceExporter({ url: settings.url }), log);
  return new SpanTracing(
    new TracerProvider({
      resource: defaultResource()
        .merge(resourceFromAttributes({ "service.name": "sekali", "service.version": version }))
        .merge(detectResources({ detectors: [envDetector] }))
        .merge(serviceName === undefined ? null : resourceFromAttributes({ "service.name": serviceName })),
      sampler: samplerOf(settings),
      spanProcessors: [new BatchSpanProcessor({ exporter })],
    }),
  );
}

/** As the specification of `OTEL_TRACES_SAMPLER` has it. */
function samplerOf({ sampler, ratio }: TracingSettings): Sampler {
  const roots = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
  };
  switch (sampler) {
    case "always_on":
    case "always_off":
    case "traceidratio":
      return roots[sampler]();
    case "parentbased_always_on":
      return new ParentBasedSampler({ root: roots.always_on() });
    case "parentbased_always_off":
      return new ParentBasedSampler({ root: roots.always_off() });
    case "parentbased_traceidratio":
      return new ParentBasedSampler({ root: roots.traceidratio() });
  }
}

/** The SDK says nothing of failed exports unless it is given a global logger. */
class LoggedExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #failures: Throttle;

  constructor(exporter: SpanExporter, log: Logger) {
    this.#exporter = exporter;
    this.#failures = new Throttle(log, "warn", "Spans not exported", EXPORT_LINES_PER_SECOND);
  }

  export(...[spans, done]: Parameters<SpanExporter["export"]>): void {
    this.#exporter.export(spans, (result) => {
      if (result.code !== ExportResultCode.SUCCESS) {
        this.#failures.write({ spans: spans.length, reason: result.error?.message ?? "refused" });
      }
      done(result);
    });
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }
}

export class SpanTracing implements Tracing {
  readonly #provider: TracerProvider;
  readonly #tracer;
  readonly #running = new AsyncLocalStorage<string>();
  readonly #propagator = new W3CTraceContextPropagator();

  constructor(provider: TracerProvider) {
    this.#provider = provider;
    this.#tracer = provider.getTracer("sekali", version);
  }

  request(route: string, request: Request, answer: () => Response | Promise<Response>): Response | Promise<Response> {
    const name = `${request.method} ${route}`;
    const attributes = { "http.request.method": request.method, "http.route": route };
    const span = this.#tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, this.#parentOf(request.headers));
    if (!span.isRecording()) return answer();
    return this.#running.run(contextTextOf(span), () => {
      const answered = answer();
      return answered instanceof Promise ? answered.then((response) => end(span, response)) : end(span, answered);
    });
  }

  current(): string | undefined {
    return this.#running.getStore();
  }

  async transaction<T>({ shard, deliveries, traces }: TracedTransaction, work: () => Promise<T>): Promise<T> {
    const attributes = { "sekali.shard": shard, "sekali.transaction.deliveries": deliveries };
    const spans = contextsOf(traces).map((parent) =>
      this.#tracer.startSpan("store", { kind: SpanKind.CONSUMER, attributes }, parent),
    );
    if (spans.length === 0) return await work();
    try {
      const result = await work();
      for (const span of spans) span.setAttribute("sekali.transaction.committed", result !== undefined);
      return result;
    } catch (error) {
      // The message is a driver's and may hold an address: it stays in the log.
      const message = error instanceof Error ? error.name : "Error";
      for (const span of spans) span.setStatus({ code: SpanStatusCode.ERROR, message });
      throw error;
    } finally {
      for (const span of spans) span.end();
    }
  }

  async stop(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STOP_MS_MAX);
    });
    await Promise.race([this.#provider.shutdown().catch(() => undefined), late]);
    clearTimeout(timer);
  }

  #parentOf(headers: Headers): Context {
    if (!headers.has("traceparent")) return ROOT_CONTEXT;
    return this.#propagator.extract(ROOT_CONTEXT, headers, {
      get: (carrier: Headers, key) => carrier.get(key) ?? undefined,
      keys: (carrier: Headers) => [...carrier.keys()],
    });
  }
}

function end(span: Span, response: Response): Response {
  span.setAttribute("http.response.status_code", response.status);
  if (response.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
  return response;
}

function contextTextOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}

/** What is no context is passed over: the queue keeps what any version, and anybody with access to it, has written. */
function contextsOf(traces: readonly string[]): Context[] {
  const texts = traces.flatMap((text) => text.split(" ", ENTRY_TRACES_MAX));
  return texts.slice(0, TRANSACTION_SPANS_MAX).flatMap((text) => {
    const parent = parseTraceParent(text);
    return parent === null ? [] : [trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true })];
  });
}
