/** What `/metrics` says, taken apart. */
import { request } from "./http-client.ts";

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export class Exposition {
  readonly samples: readonly Sample[];
  /** By the name of the metric: `counter`, `gauge` or `histogram`. */
  readonly types: ReadonlyMap<string, string>;
  readonly helps: ReadonlyMap<string, string>;

  constructor(text: string) {
    const lines = text.split("\n");
    const told = (kind: string) =>
      new Map(
        lines.flatMap((line) =>
          matchesOf(new RegExp(`^# ${kind} (\\S+) (.+)$`), line, ([, name, value]) => [
            [name ?? "", value ?? ""] as const,
          ]),
        ),
      );
    this.types = told("TYPE");
    this.helps = told("HELP");
    this.samples = lines.filter((line) => line !== "" && !line.startsWith("#")).map(parseSample);
  }

  /** The sum over all series of a name that have these labels; undefined where there is none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const found = this.samples.filter(
      (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
    return found.length === 0 ? undefined : found.reduce((total, { value }) => total + value, 0);
  }

  /** The metric that a series belongs to: a histogram's series have a suffix. */
  metricOf(series: string): string {
    const base = series.replace(/_(bucket|sum|count)$/, "");
    return this.types.get(base) === "histogram" ? base : series;
  }
}

function matchesOf<T>(pattern: RegExp, line: string, take: (match: RegExpExecArray) => T[]): T[] {
  const match = pattern.exec(line);
  return match === null ? [] : take(match);
}

function parseSample(line: string): Sample {
  const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (match === null) throw new Error(`no sample: ${line}`);
  const [, name = "", labels = "", value] = match;
  const pairs = [...labels.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/g)];
  return { name, labels: Object.fromEntries(pairs.map(([, key, text]) => [key, text])), value: Number(value) };
}

export async function metricsOf(url: string, init: RequestInit = {}): Promise<Exposition> {
  const response = await request(`${url}/metrics`, init);
  if (response.status !== 200) throw new Error(`/metrics says ${response.status}: ${await response.text()}`);
  return new Exposition(await response.text());
}
