/** What `ops/` says to Prometheus and Grafana, taken apart. */
import { join } from "node:path";
import { parser } from "@prometheus-io/lezer-promql";

export const OPS = join(import.meta.dir, "../../../ops");
export const ALERTS_FILE = join(OPS, "prometheus/alerts.yaml");
export const CONFIG_FILE = join(OPS, "prometheus/prometheus.yaml");

export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly action: string };
}

export async function readAlerts(): Promise<readonly Alert[]> {
  const parsed = Bun.YAML.parse(await Bun.file(ALERTS_FILE).text()) as { groups: { rules: Alert[] }[] };
  return parsed.groups.flatMap(({ rules }) => rules);
}

export interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}

export interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string; query: unknown }[] };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

export async function readDashboard(): Promise<Dashboard> {
  return (await Bun.file(join(OPS, "grafana/sekali.json")).json()) as Dashboard;
}

/** An expression as Grafana would send it. */
export function filledIn(expression: string): string {
  return expression.replaceAll("$__rate_interval", "30s").replaceAll("$job", "sekali");
}

export interface Selector {
  readonly metric: string;
  readonly labels: readonly string[];
}

/** The series that an expression asks for, each with the labels by which it is narrowed. */
export function selectorsOf(expression: string): readonly Selector[] {
  const found: { metric: string; labels: string[] }[] = [];
  parser.parse(expression).iterate({
    enter({ name, type, from, to, node }) {
      const text = expression.slice(from, to);
      if (type.isError) throw new Error(`no PromQL at ${from}: ${expression}`);
      if (name === "Identifier") found.push({ metric: text, labels: [] });
      if (name === "LabelName" && node.parent?.name === "UnquotedLabelMatcher") found.at(-1)?.labels.push(text);
    },
  });
  return found;
}
