/**
 * The configurations in `ops/shippers`: what the tools send by them. Fluent Bit, Vector and the Collector are too large
 * to have here, so what is posted is what their manuals say they post; the script for `curl` is run as it is.
 */
import { afterEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { useTarget } from "../black-box/target.ts";
import { freshTopic, uuid } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { TcpProxy } from "../harness/tcp-proxy.ts";

const target = useTarget();
const FOLDER = join(import.meta.dir, "..", "..", "..", "ops", "shippers");
const proxies: TcpProxy[] = [];
afterEach(() => {
  for (const proxy of proxies.splice(0)) proxy.close();
});

const configuration = <T>(file: string) => Bun.YAML.parse(readFileSync(join(FOLDER, file), "utf8")) as T;

/** Posts a chunk of two lines twice, as at a retry, under a topic of its own, and waits until each is stored once. */
async function expectStoredOnce(uri: string, lines: readonly string[]): Promise<void> {
  const topic = freshTopic();
  const text = lines.map((line) => `${line.replace(TOPIC, topic)}\n`).join("");
  const headers = {
    "content-type": "application/x-ndjson",
    "content-encoding": "gzip",
    // What an empty SEKALI_KEY makes of the header.
    authorization: "Bearer ",
  };
  for (const _ of [1, 2]) {
    const reply = await request(`${target.url}${uri}`, { method: "POST", headers, body: gzipSync(text) });
    expect(await reply.json()).toEqual({ status: "queued", count: 2 });
  }
  await eventually(async () => {
    const reply = await request(`${target.url}/topics?topic=${topic}`);
    expect(await reply.json()).toMatchObject([{ unique_processed: 2, duplicate_dropped: 2 }]);
  });
}

const TOPIC = "app.lines";

interface FluentBit {
  readonly pipeline: {
    readonly filters: readonly Record<string, unknown>[];
    readonly outputs: readonly { readonly uri: string; readonly format: string; readonly json_date_key: string }[];
  };
}

test("Fluent Bit: a line of JSON a record, its date by the name of `timestamp`, its UUID made by a filter", async () => {
  const { filters, outputs } = configuration<FluentBit>("fluent-bit.yaml").pipeline;
  const [nest, modifier] = filters;
  const [output] = outputs;
  expect([nest?.["nest_under"], modifier?.["uuid_key"], output?.format]).toEqual(["payload", "event_id", "json_lines"]);
  const added = ((modifier?.["record"] ?? []) as string[]).map((pair) => pair.split(" "));
  const lines = ["a", "b"].map((log) =>
    JSON.stringify({
      [output?.json_date_key ?? ""]: "2026-11-24T21:00:00.123456Z",
      payload: { log },
      event_id: uuid(),
      ...Object.fromEntries(added),
    }),
  );
  await expectStoredOnce(output?.uri ?? "", lines);
});

interface Vector {
  readonly transforms: { readonly event: { readonly source: string } };
  readonly sinks: { readonly sekali: { readonly uri: string; readonly framing: object; readonly encoding: object } };
}

test("Vector: what its remap program makes of a line, framed by line feeds", async () => {
  const { transforms, sinks } = configuration<Vector>("vector.yaml");
  expect(sinks.sekali).toMatchObject({ encoding: { codec: "json" }, framing: { method: "newline_delimited" } });
  const fields = [...transforms.event.source.matchAll(/^ {2}"(\w+)":/gm)].map(([, name]) => name);
  expect(fields).toEqual(["topic", "event_id", "timestamp", "source", "payload"]);
  // As VRL's own interpreter (0.32) has printed it; the ids are those of this run.
  const lines = ["hello", 'a "quoted" one'].map(
    (line) =>
      `{ "event_id": "${uuid()}", "payload": { "file": "/var/log/app/a.log", "line": ${JSON.stringify(line)} }, ` +
      '"source": "web-1", "timestamp": "2026-11-24T21:00:00.123456Z", "topic": "app.lines" }',
  );
  await expectStoredOnce(new URL(sinks.sekali.uri).pathname, lines);
});

test("the Collector's exporter is given the address of its own signal", () => {
  type Collector = { readonly exporters: { readonly otlp_http: { readonly logs_endpoint: string } } };
  const { exporters } = configuration<Collector>("collector.yaml");
  expect(new URL(exporters.otlp_http.logs_endpoint).pathname).toBe("/v1/logs");
});

async function publishByScript(url: string, ...args: string[]) {
  const child = Bun.spawn([join(FOLDER, "publish.sh"), ...args], {
    env: { PATH: process.env["PATH"] ?? "", URL: url, SOURCE: "script" },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, stdout] = await Promise.all([child.exited, new Response(child.stdout).text()]);
  return { code, stdout };
}

test("curl: an event whose first reply is lost is stored once", async () => {
  const topic = `script.${uuid()}`;
  const proxy = await TcpProxy.open({ protocol: "http", targetPort: Number(new URL(target.url).port) });
  proxies.push(proxy);
  const lost = proxy.hold("reply", ({ text }) => text.startsWith("HTTP/1.1 200"));
  const publishing = publishByScript(proxy.inFrontOf(target.url).replace(/\/$/, ""), topic, '{"n":1}');
  await lost.reached("the first reply");
  lost.cut();
  expect(await publishing).toEqual({ code: 0, stdout: '{"status":"queued","count":1}' });
  expect((await publishByScript(target.url, `${topic}.next`)).code).toBe(0);
  await eventually(async () => {
    const reply = await request(`${target.url}/events?topic=${topic}`);
    expect(await reply.json()).toMatchObject([{ topic, source: "script", payload: { n: 1 } }]);
  });
});

test("curl: what is refused is told, with the reason", async () => {
  const { code, stdout } = await publishByScript(target.url, "not a topic");
  expect(code).toBe(22);
  expect(stdout).toContain("must not contain white space");
});
