import { expect, test } from "bun:test";
import { ConfigError } from "./config-error.ts";
import { readTracing } from "./tracing-config.ts";

function read(environment: Record<string, string>) {
  return readTracing((name) => environment[name] ?? (name === "OTEL_TRACES_SAMPLER" ? "parentbased_always_on" : ""));
}

test("without an endpoint there are no traces, whatever else is said", () => {
  expect(read({})).toBeUndefined();
  expect(read({ OTEL_SERVICE_NAME: "x", OTEL_TRACES_SAMPLER: "none" })).toBeUndefined();
});

test("the endpoint of all signals gets the path of traces, their own is taken as it is and wins", () => {
  const shared = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://h:4318" };
  expect(read(shared)?.url).toBe("http://h:4318/v1/traces");
  expect(read({ OTEL_EXPORTER_OTLP_ENDPOINT: "https://h/otlp/" })?.url).toBe("https://h/otlp/v1/traces");
  const own = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://t:1/x" };
  expect(read({ ...shared, ...own })?.url).toBe("http://t:1/x");
});

test("sampler and ratio are OpenTelemetry's", () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://h" };
  expect(read(endpoint)).toMatchObject({ sampler: "parentbased_always_on", ratio: 1, serviceName: undefined });
  const ratio = { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.05" };
  expect(read({ ...endpoint, ...ratio })).toMatchObject({ sampler: "traceidratio", ratio: 0.05 });
});

test.each([
  ["OTEL_EXPORTER_OTLP_ENDPOINT", "h:4318 secret"],
  ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://u:secret@h"],
  ["OTEL_TRACES_SAMPLER", "jaeger_remote"],
  ["OTEL_TRACES_SAMPLER_ARG", "5"],
  ["OTEL_TRACES_SAMPLER_ARG", "half"],
])("%s=%s is refused by its name, a URL's text not shown", (name, value) => {
  const wrong = () => read({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://h", [name]: value });
  expect(wrong).toThrow(ConfigError);
  expect(wrong).toThrow(new RegExp(`^${name} is `));
  expect(wrong).not.toThrow(/secret/);
});
