/** What the environment says of traces. The names and their meanings are OpenTelemetry's own. */
import { ConfigError } from "./config-error.ts";

const SAMPLERS = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;

export interface TracingSettings {
  /** Where spans go, by OTLP over HTTP. */
  readonly url: string;
  /** Undefined: what OTEL_RESOURCE_ATTRIBUTES says, or `sekali`. */
  readonly serviceName: string | undefined;
  readonly sampler: (typeof SAMPLERS)[number];
  /** The part of traces that ratio samplers take, 0 to 1. */
  readonly ratio: number;
}

type Name =
  | "OTEL_EXPORTER_OTLP_ENDPOINT"
  | "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
  | "OTEL_SERVICE_NAME"
  | "OTEL_TRACES_SAMPLER"
  | "OTEL_TRACES_SAMPLER_ARG";

/** @returns undefined where no endpoint is set: there are no traces then. */
export function readTracing(text: (name: Name) => string): TracingSettings | undefined {
  const url = readUrl(text);
  if (url === undefined) return undefined;
  const sampler = text("OTEL_TRACES_SAMPLER");
  const known = SAMPLERS.find((each) => each === sampler);
  if (known === undefined) {
    throw new ConfigError(`OTEL_TRACES_SAMPLER is ${JSON.stringify(sampler)}; it takes ${SAMPLERS.join(", ")}`);
  }
  const argument = text("OTEL_TRACES_SAMPLER_ARG");
  const ratio = argument === "" ? 1 : Number(argument);
  if (!(ratio >= 0 && ratio <= 1)) {
    throw new ConfigError(`OTEL_TRACES_SAMPLER_ARG is ${JSON.stringify(argument)}; it takes a number from 0 to 1`);
  }
  return { url, serviceName: text("OTEL_SERVICE_NAME") || undefined, sampler: known, ratio };
}

/** The endpoint of traces is taken as it is, the one of all signals gets their path (OTLP exporter specification). */
function readUrl(text: (name: Name) => string): string | undefined {
  const own = text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  if (own !== "") return checked("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", own).href;
  const shared = text("OTEL_EXPORTER_OTLP_ENDPOINT");
  if (shared === "") return undefined;
  const url = checked("OTEL_EXPORTER_OTLP_ENDPOINT", shared);
  url.pathname = `${url.pathname.replace(/\/$/, "")}/v1/traces`;
  return url.href;
}

function checked(name: Name, text: string): URL {
  const url = URL.parse(text);
  // It may hold a password.
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new ConfigError(`${name} is not a URL of the form http://127.0.0.1:4318`);
  }
  return url;
}
