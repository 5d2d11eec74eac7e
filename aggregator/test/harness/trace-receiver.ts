/** A receiver of traces, as a collector is one: OTLP over HTTP in protobuf. It can be told to refuse. */
import { gunzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import { type Span, TracesDataSchema } from "./generated/opentelemetry/proto/trace/v1/trace_pb.js";

export interface ReceivedSpan {
  readonly service: string | undefined;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export class TraceReceiver implements Disposable {
  readonly spans: ReceivedSpan[] = [];
  requests = 0;
  /** What it answers with. */
  status = 200;
  readonly #server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => this.#take(request) });

  get url(): string {
    return this.#server.url.origin;
  }

  /** The spans of one trace, by name. */
  ofTrace(traceId: string): ReadonlyMap<string, ReceivedSpan> {
    return new Map(this.spans.filter((span) => span.traceId === traceId).map((span) => [span.name, span]));
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true);
  }

  async #take(request: Request): Promise<Response> {
    this.requests += 1;
    const sent = new Uint8Array(await request.arrayBuffer());
    if (this.status !== 200) return new Response(null, { status: this.status });
    if (new URL(request.url).pathname !== "/v1/traces") return new Response(null, { status: 404 });
    // On the wire the same as an ExportTraceServiceRequest.
    const bytes = request.headers.get("content-encoding") === "gzip" ? gunzipSync(sent) : sent;
    for (const { resource, scopeSpans } of fromBinary(TracesDataSchema, bytes).resourceSpans) {
      const service = valuesOf(resource?.attributes ?? [])["service.name"];
      for (const { spans } of scopeSpans) this.spans.push(...spans.map((span) => received(span, String(service))));
    }
    return new Response(null, { headers: { "content-type": "application/x-protobuf" } });
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

function received(span: Span, service: string): ReceivedSpan {
  const { name, traceId, spanId, parentSpanId, attributes } = span;
  return {
    service,
    name,
    traceId: hex(traceId),
    spanId: hex(spanId),
    parentSpanId: hex(parentSpanId),
    attributes: valuesOf(attributes),
  };
}

function valuesOf(attributes: Span["attributes"]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value?.value.value]));
}
