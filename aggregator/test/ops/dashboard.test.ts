/**
 * The dashboard and the alert rules beside a running installation: they ask for what there is, and a real Prometheus
 * that scrapes it, with a key and over HTTPS, has an answer for each panel.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ask, keysOf } from "../access/keys.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { Authority, type CertificateFiles, writeCertificate } from "../harness/certificates.ts";
import { eventually } from "../harness/eventually.ts";
import { Load } from "../harness/load.ts";
import { Exposition } from "../harness/metrics.ts";
import { Prometheus } from "../harness/prometheus.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import {
  ALERTS_FILE,
  CONFIG_FILE,
  type Dashboard,
  filledIn,
  type Panel,
  readAlerts,
  readDashboard,
  selectorsOf,
} from "../harness/watching.ts";

const folder = mkdtempSync(join(tmpdir(), "sekali-dashboard-"));
let files: CertificateFiles | undefined;
let stack: Stack;
let load: Load;
let dashboard: Dashboard;
let exposition: Exposition;
let prometheus: Prometheus;

/** Prometheus adds these to every series. */
const OF_THE_SCRAPE = ["job", "instance"];

// Before the servers' own: hooks run in the order in which they are given.
afterAll(async () => {
  await load?.stop();
  await prometheus?.[Symbol.asyncDispose]();
  await stack?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
  if (files !== undefined) rmSync(files.folder, { recursive: true, force: true });
});

useBackingServers();

beforeAll(async () => {
  stack = await openStack();
  dashboard = await readDashboard();
  const authority = await Authority.make();
  files = writeCertificate(await authority.sign());
  const guarded = await stack.start({
    ACCESS: "keys",
    TLS_CERT_FILE: files.certificate,
    TLS_KEY_FILE: files.key,
  });
  await using keys = keysOf(stack);
  const key = await keys.make({ scopes: ["read"] });
  await stack.start();
  load = new Load(stack.publisher);
  await load.acknowledges(200);
  exposition = new Exposition(await (await ask(key, `${guarded.url}/metrics`)).text());
  prometheus = await Prometheus.start(await configure(key, authority.certificate));
});

/** The configuration of `ops/` for this stack: its addresses, its key, and scrapes as often as a test needs them. */
async function configure(key: string, authority: string): Promise<string> {
  const keyFile = join(folder, "sekali.key");
  writeFileSync(keyFile, key);
  const authorityFile = join(folder, "authority.pem");
  writeFileSync(authorityFile, authority);
  // One of them over HTTPS, the other in plain text; Prometheus reads the scheme from this label.
  const targets = stack.aggregators.map(({ url }) => {
    const { host, protocol } = new URL(url);
    return `      - { targets: ["${host}"], labels: { __scheme__: "${protocol.slice(0, -1)}" } }`;
  });
  let text = await Bun.file(CONFIG_FILE).text();
  const edits = [
    ['      - targets: ["127.0.0.1:8080"]', targets.join("\n")],
    ["# tls_config: { ca_file: /etc/prometheus/authority.pem }", `tls_config: { ca_file: ${authorityFile} }`],
    ["scrape_interval: 15s", "scrape_interval: 1s"],
    [
      "# authorization: { credentials_file: /etc/prometheus/sekali.key }",
      `authorization: { credentials_file: ${keyFile} }`,
    ],
    ["- alerts.yaml", `- ${ALERTS_FILE}`],
  ] as const;
  for (const [from, to] of edits) {
    expect(text).toContain(from);
    text = text.replace(from, to);
  }
  const file = join(folder, "prometheus.yaml");
  await Bun.write(file, `global: { evaluation_interval: 1s }\n${text}`);
  return file;
}

const panels = (): readonly Panel[] => dashboard.panels.filter(({ type }) => type !== "row");
const expressionsOf = (panel: Panel) => (panel.targets ?? []).map(({ expr }) => filledIn(expr));

describe("asks for metrics that there are, by labels that they have:", () => {
  function expectKnown(expression: string): void {
    const selectors = selectorsOf(expression);
    expect(selectors).not.toEqual([]);
    for (const { metric, labels } of selectors) {
      const series = exposition.samples.filter(({ name }) => name === metric);
      expect({ metric, isThere: series.length > 0 }).toEqual({ metric, isThere: true });
      const known = [...OF_THE_SCRAPE, ...series.flatMap((sample) => Object.keys(sample.labels))];
      for (const label of labels) expect(known).toContain(label);
    }
  }

  test("each panel", () => {
    for (const panel of panels()) for (const expression of expressionsOf(panel)) expectKnown(expression);
    for (const { expr } of dashboard.annotations.list) expectKnown(filledIn(expr));
  });

  test("each alert", async () => {
    for (const { expr } of await readAlerts()) expectKnown(expr);
  });

  test("and a name that is not there would be noticed", () => {
    expect(() => expectKnown("rate(sekali_no_such_thing_total[5m])")).toThrow();
    expect(() => expectKnown('sekali_up{colour="red"}')).toThrow();
    expect(() => expectKnown("rate(sekali_up[5m]")).toThrow();
  });
});

test("the dashboard can be imported anywhere: its own ids, no overlap, every source a variable", () => {
  const ids = dashboard.panels.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  for (const { targets = [] } of panels()) {
    expect(targets.length).toBeGreaterThan(0);
    for (const { datasource } of targets) expect(datasource.uid).toMatch(/^\$\{datasource\}$/);
  }
  expect(dashboard.templating.list).toContainEqual(expect.objectContaining({ name: "datasource", type: "datasource" }));
});

test("Prometheus scrapes each process, with a key where one is asked for", async () => {
  await eventually(async () => {
    const up = await prometheus.query('up{job="sekali"}');
    expect(up.map(({ value }) => value[1])).toEqual(["1", "1"]);
  });
});

test("under load no panel is empty, and none is without a number", async () => {
  await eventually(
    async () => {
      for (const panel of panels()) {
        for (const expression of expressionsOf(panel)) {
          const result = await prometheus.query(expression);
          const numbers = result.filter(({ value }) => value[1] !== "NaN").length;
          expect({ panel: panel.title, expression, isEmpty: numbers === 0 }).toMatchObject({ isEmpty: false });
        }
      }
    },
    { within: 60_000 },
  );
});

test("the rules are evaluated without a fault, and none fires in a healthy installation", async () => {
  const rules = await eventually(
    async () => {
      const { groups } = (await prometheus.get("rules")) as { groups: { rules: EvaluatedRule[] }[] };
      const all = groups.flatMap((group) => group.rules);
      expect(all.map(({ health }) => health)).toEqual(all.map(() => "ok"));
      return all;
    },
    { within: 90_000 },
  );
  expect(rules.filter(({ state }) => state === "firing").map(({ name }) => name)).toEqual([]);
});

interface EvaluatedRule {
  readonly name: string;
  readonly health: string;
  readonly state: string;
}
