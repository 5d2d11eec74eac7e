import { beforeEach, describe, expect, test } from "bun:test";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { SpanTracing } from "./tracing.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = `00-${TRACE}-b7ad6b7169203331-01`;

let exporter: InMemorySpanExporter;
let tracing: SpanTracing;
beforeEach(() => {
  exporter = new InMemorySpanExporter();
  tracing = new SpanTracing(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
});

const spans = () => exporter.getFinishedSpans();
const traced = (traces: readonly string[]) => ({ shard: 3, deliveries: 7, traces });

function ask(traceparent?: string): Request {
  return new Request("http://test/publish", traceparent === undefined ? {} : { headers: { traceparent } });
}

describe("a request", () => {
  test("is known while it is answered, across what it waits for, and not after", async () => {
    let inside: string | undefined;
    const answered = tracing.request("/publish", ask(PARENT), async () => {
      await Promise.resolve();
      inside = tracing.current();
      return new Response(null, { status: 503 });
    });
    expect(tracing.current()).toBeUndefined();
    expect((await answered).status).toBe(503);
    const [span] = spans();
    expect(inside).toBe(`00-${TRACE}-${span?.spanContext().spanId}-01`);
    expect(span?.parentSpanContext?.traceId).toBe(TRACE);
    expect(span?.attributes).toMatchObject({ "http.response.status_code": 503, "http.route": "/publish" });
  });

  test("begins a trace of its own where its context is none", async () => {
    for (const text of [undefined, "", "00-x", PARENT.replace(TRACE, "0".repeat(32))]) {
      await tracing.request("/publish", ask(text), () => new Response());
    }
    expect(spans().map(({ parentSpanContext }) => parentSpanContext)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("tells its route and how it ended, and nothing of the URL or the headers, where secrets and payloads are", async () => {
    const headers = { authorization: "Bearer secret", cookie: "sekali_session=secret", "ce-id": "secret" };
    const request = new Request("http://secret@test/events/secret/1?key=secret", { headers });
    await tracing.request("/events/:topic/:event_id", request, () => new Response("secret", { status: 401 }));
    const [{ name, attributes, events, status } = expect.unreachable()] = spans();
    expect(JSON.stringify([name, attributes, events, status])).not.toContain("secret");
    expect(Object.keys(attributes).toSorted()).toEqual([
      "http.request.method",
      "http.response.status_code",
      "http.route",
    ]);
  });

  test("whose publisher does not sample has no span, and names nobody", async () => {
    await tracing.request("/publish", ask(PARENT.replace(/01$/, "00")), () => {
      expect(tracing.current()).toBeUndefined();
      return new Response();
    });
    expect(spans()).toEqual([]);
  });
});

describe("a transaction", () => {
  test("is a span for each request that its entries name", async () => {
    const other = PARENT.replace(TRACE, "1".repeat(32));
    expect(await tracing.transaction(traced([`${PARENT} ${other}`, PARENT]), async () => "stored")).toBe("stored");
    expect(spans().map((span) => span.spanContext().traceId)).toEqual([TRACE, "1".repeat(32), TRACE]);
    expect(spans()[0]?.attributes).toMatchObject({ "sekali.shard": 3, "sekali.transaction.deliveries": 7 });
  });

  test("passes over what is no context, and is bounded whatever an entry holds", async () => {
    await tracing.transaction(traced(["", "nonsense", "00-00-00-00 ".repeat(50)]), async () => undefined);
    expect(spans()).toEqual([]);
    const crowd = `${PARENT} `.repeat(1000);
    await tracing.transaction(traced([crowd, crowd, crowd, crowd, crowd, crowd]), async () => undefined);
    expect(spans()).toHaveLength(128);
  });

  test("that fails ends its spans, tells no driver's text, and fails as it did", async () => {
    const failure = new Error("connect 10.0.0.7");
    await expect(tracing.transaction(traced([PARENT]), () => Promise.reject(failure))).rejects.toBe(failure);
    expect(spans()).toHaveLength(1);
    expect(JSON.stringify(spans()[0]?.status)).not.toContain("10.0.0.7");
  });
});
