/** Clients as they are give a key in their own ways, and hear of a wrong one. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { SeverityNumber } from "@opentelemetry/api-logs";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { LoggerProvider, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs";
import { CloudEvent, emitterFor, httpTransport } from "cloudevents";
import { commandLine, environment } from "../harness/aggregator-process.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { ask, keysOf, send, type TestKeys } from "./keys.ts";

useBackingServers();
let stack: Stack;
let keys: TestKeys;
let url: string;
let key: string;
let reader: string;
beforeAll(async () => {
  stack = await openStack({ env: { ACCESS: "keys" } });
  url = (await stack.start()).url;
  keys = keysOf(stack);
  key = await keys.make({ scopes: ["publish"] });
  reader = await keys.make({ scopes: ["read"] });
});
afterAll(async () => {
  await keys[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
});

async function stored(topic: string): Promise<number> {
  const { topic_counts } = (await (await ask(reader, `${url}/stats`)).json()) as {
    topic_counts: Record<string, { unique_processed: number }>;
  };
  return topic_counts[topic]?.unique_processed ?? 0;
}

test.each([
  ["a bearer token", () => ["--header", `Authorization: Bearer ${key}`]],
  ["the password of basic authentication", () => ["--user", `anybody:${key}`]],
  ["the user name, without a password", () => ["--user", `${key}:`]],
])("curl: %s", async (_, options) => {
  const event = JSON.stringify(makeEvent({ topic: "by.curl" }));
  const before = await stored("by.curl");
  const words = ["--silent", "--fail", "--header", "content-type: application/json", "--data", event, ...options()];
  const child = Bun.spawn(["curl", ...words, `${url}/publish?ack=stored`], { stdout: "pipe", stderr: "inherit" });
  expect(JSON.parse(await child.stdout.text())).toMatchObject({ unique: 1 });
  expect(await stored("by.curl")).toBe(before + 1);
});

/** What an application would do whose environment names the collector. */
async function emitRecord(headers: string, service: string): Promise<void> {
  process.env["OTEL_EXPORTER_OTLP_LOGS_HEADERS"] = headers;
  const exporter = new OTLPLogExporter({ url: `${url}/v1/logs` });
  delete process.env["OTEL_EXPORTER_OTLP_LOGS_HEADERS"];
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ "service.name": service }),
    processors: [new SimpleLogRecordProcessor({ exporter })],
  });
  provider.getLogger("test").emit({ severityNumber: SeverityNumber.INFO, body: "x" });
  await provider.shutdown();
}

test("OpenTelemetry's exporter: OTEL_EXPORTER_OTLP_LOGS_HEADERS", async () => {
  await emitRecord(`Authorization=Bearer%20${key}`, "exporter");
  await eventually(async () => expect(await stored("exporter.info")).toBe(1));
  await emitRecord("Authorization=Bearer%20sekali_wrong", "stranger").catch(() => undefined);
  expect(await stored("stranger.info")).toBe(0);
});

test("CloudEvents' emitter: a header of its own", async () => {
  const emit = emitterFor(httpTransport(`${url}/cloudevents`));
  const event = new CloudEvent({ type: "by.emitter", source: "/test", data: { a: 1 } });
  await emit(event, { headers: { authorization: `Bearer ${key}` } });
  await eventually(async () => expect(await stored("by.emitter")).toBe(1));
});

test("aggregator tail: SEKALI_KEY, and a wrong one ends it with 2", async () => {
  const tail = (text: string) => {
    const command = commandLine("tail", "--topic", "by.tail", "--since", "beginning", "--json", "--url", url);
    return Bun.spawn(command, { env: environment({ SEKALI_KEY: text }), stdout: "pipe", stderr: "pipe" });
  };
  const refused = tail(`sekali_${"W".repeat(43)}`);
  expect([await refused.exited, await refused.stderr.text()]).toEqual([2, expect.stringContaining("no such key")]);

  const event = makeEvent({ topic: "by.tail" });
  await send(key, `${url}/publish?ack=stored`, event);
  const following = tail(reader);
  const first = await following.stdout.getReader().read();
  expect(new TextDecoder().decode(first.value)).toContain(event.event_id);
  following.kill("SIGINT");
  expect(await following.exited).toBe(0);
});
