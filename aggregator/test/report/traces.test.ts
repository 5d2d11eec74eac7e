/** Traces: from a publisher's context over the queue to the transaction, and no trouble for anybody where they fail. */
import { afterEach, describe, expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent, makeEvents } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { TraceReceiver } from "../harness/trace-receiver.ts";

useBackingServers();
let stack: Stack;
afterEach(async () => await stack[Symbol.asyncDispose]());

const hex = (bytes: number) => Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("hex");

/** A publisher's span. */
function context(flags = "01") {
  const [traceId, spanId] = [hex(16), hex(8)];
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${flags}` };
}

async function publish(traceparent: string, query = ""): Promise<Response> {
  return await request(`${stack.url}/publish${query}`, {
    method: "POST",
    body: JSON.stringify(makeEvent()),
    headers: { "content-type": "application/json", traceparent },
  });
}

/** The fields of every entry of both shards. */
async function entries(): Promise<Record<string, string>[]> {
  const found: Record<string, string>[] = [];
  for (const shard of [0, 1]) {
    const stream = (await stack.redisCommand("XRANGE", `${stack.name}:{${shard}}:stream`, "-", "+")) as [
      string,
      string[],
    ][];
    for (const [, fields] of stream) {
      const pairs = fields.flatMap((name, index) => (index % 2 === 0 ? [[name, fields[index + 1] ?? ""]] : []));
      found.push(Object.fromEntries(pairs));
    }
  }
  return found;
}

test("a publish and the transaction that commits it, in another process, are spans of the publisher's trace", async () => {
  using receiver = new TraceReceiver();
  stack = await openStack({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url } });
  await stack.start({ ROLES: "api", OTEL_SERVICE_NAME: "sekali-in" });
  await stack.start({ ROLES: "worker" });
  const publishers = Array.from({ length: 5 }, () => context());
  for (const { status } of await Promise.all(
    publishers.map(({ traceparent }) => publish(traceparent, "?ack=stored")),
  )) {
    expect(status).toBe(200);
  }
  for (const { traceId, spanId } of publishers) {
    const { request: taken, store } = await eventually(() => {
      const spans = receiver.ofTrace(traceId);
      const found = { request: spans.get("POST /publish"), store: spans.get("store") };
      expect(found.request).toBeDefined();
      expect(found.store).toBeDefined();
      return found;
    });
    expect(taken).toMatchObject({ parentSpanId: spanId, service: "sekali-in" });
    expect(taken?.attributes).toMatchObject({ "http.route": "/publish", "http.response.status_code": 200n });
    expect(store).toMatchObject({ parentSpanId: taken?.spanId, service: "sekali" });
    expect(store?.attributes["sekali.transaction.committed"]).toBe(true);
  }
});

describe("an entry names", () => {
  const held = { ROLES: "api", OTEL_TRACES_SAMPLER: "parentbased_always_off" };

  test("the requests that are sampled, and no others", async () => {
    using receiver = new TraceReceiver();
    stack = await openStack({ env: { ...held, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/v1/traces` } });
    await stack.start();
    const sampled = context();
    for (const traceparent of [context("00").traceparent, "nonsense", sampled.traceparent]) {
      expect((await publish(traceparent)).status).toBe(200);
    }
    const named = (await entries()).map(({ c }) => c);
    expect(named).toHaveLength(3);
    expect(named.filter((each) => each !== undefined)).toEqual([
      expect.stringMatching(new RegExp(`^00-${sampled.traceId}-`)),
    ]);
  });

  test("nobody where no endpoint is set, whatever the publisher says", async () => {
    stack = await openStack({ env: { ROLES: "api" } });
    await stack.start();
    expect((await publish(context().traceparent)).status).toBe(200);
    expect((await entries()).map((entry) => Object.keys(entry).toSorted())).toEqual([["b", "d", "n", "r", "t", "v"]]);
  });
});

describe("while spans can't be exported, publishing goes on as ever and the log stays quiet:", () => {
  test.each([
    ["nobody listens", 0],
    ["they are refused", 400],
    ["the receiver fails", 503],
  ])("%s", async (_, status) => {
    using receiver = new TraceReceiver();
    receiver.status = status;
    const endpoint = status === 0 ? "http://127.0.0.1:9" : receiver.url;
    stack = await openStack({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_TIMEOUT: "2000" } });
    const aggregator = await stack.start();
    for (const event of makeEvents(40)) await stack.publisher.publish([event]);
    await aggregator.logged(/Spans not exported/, 30_000);
    await stack.expectExact();
    expect(aggregator.log.filter((line) => line.includes("Spans not exported")).length).toBeLessThan(10);
    expect(await aggregator.terminate()).toBe(0);
  });
});
