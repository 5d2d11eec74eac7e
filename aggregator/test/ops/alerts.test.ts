/** The alert rules: sound, about metrics that there are, each fires when it should and says what to do. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promtool } from "../harness/prometheus.ts";
import { ALERTS_FILE, type Alert, CONFIG_FILE, readAlerts } from "../harness/watching.ts";

const folder = mkdtempSync(join(tmpdir(), "sekali-alerts-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** In promtool's notation, one value a minute: `0x5 3x30` is six times 0, then 31 times 3. */
type Series = Readonly<Record<string, string>>;

interface Case {
  readonly series: Series;
  readonly labels: Readonly<Record<string, string>>;
  readonly summary: string;
}

const A = 'job="sekali",instance="a"';
const B = 'job="sekali",instance="b"';
const JOB = { job: "sekali" };
const OF_A = { job: "sekali", instance: "a" };

/** A quarter of an hour of trouble, beside a second process that shows the same or is well. */
const TROUBLE: Readonly<Record<string, Case>> = {
  SekaliLost: {
    series: {
      [`sekali_lost_deliveries_total{${A}}`]: "2x10 5x10",
      [`sekali_lost_deliveries_total{${B}}`]: "2x10 5x10",
    },
    labels: JOB,
    summary: "3 acknowledged deliveries were lost by Redis.",
  },
  SekaliRedisNotDurable: {
    series: {
      [`sekali_redis_durability_warnings{${A}}`]: "1x30",
      [`sekali_redis_durability_warnings{${B}}`]: "0x30",
    },
    labels: OF_A,
    summary: "a uses a Redis whose settings give up something of what a 200 promises (P1).",
  },
  SekaliForeignRedis: {
    series: { [`sekali_redis_foreign{${A}}`]: "1x30" },
    labels: OF_A,
    summary: "a refuses its Redis, which belongs to another installation.",
  },
  SekaliDependencyAway: {
    series: {
      [`sekali_up{${A},dependency="postgres"}`]: "0x30",
      [`sekali_up{${A},dependency="redis"}`]: "1x30",
    },
    labels: { ...OF_A, dependency: "postgres" },
    summary: "postgres does not answer a.",
  },
  SekaliNotScraped: { series: {}, labels: {}, summary: "No process of Sekali can be scraped." },
  SekaliShardStuck: {
    series: {
      [`sekali_stuck_shard_age_seconds{${A}}`]: "0x10 120x20",
      [`sekali_stuck_shard_age_seconds{${B}}`]: "0x30",
    },
    labels: OF_A,
    summary: "A shard can't go on for 2m 0s, says a.",
  },
  SekaliQueueOld: {
    series: {
      [`sekali_oldest_queued_delivery_age_seconds{${A},shard="0"}`]: "90x30",
      [`sekali_oldest_queued_delivery_age_seconds{${B},shard="0"}`]: "90x30",
      [`sekali_oldest_queued_delivery_age_seconds{${A},shard="1"}`]: "0x30",
    },
    labels: JOB,
    summary: "The oldest queued delivery has waited for 1m 30s.",
  },
  SekaliQueueFilling: {
    series: {
      [`sekali_queued_deliveries{${A},shard="0"}`]: "40x30",
      [`sekali_queued_deliveries{${A},shard="1"}`]: "20x30",
      [`sekali_queued_deliveries_max{${A}}`]: "100x30",
    },
    labels: JOB,
    summary: "The queue is 60% full.",
  },
  SekaliRefusing: {
    series: {
      [`sekali_refused_requests_total{${A},reason="overloaded"}`]: "0+60x30",
      [`sekali_refused_requests_total{${A},reason="queue-away"}`]: "0+60x30",
      [`sekali_refused_requests_total{${A},reason="malformed"}`]: "0+600x30",
    },
    labels: JOB,
    summary: "2 publishes a second are refused with 503.",
  },
  SekaliInternalErrors: {
    series: { [`sekali_refused_requests_total{${A},reason="internal-error"}`]: "0x10 1x20" },
    labels: JOB,
    summary: "Requests failed with 500, which is a defect of Sekali.",
  },
  SekaliLogRecordsRejected: {
    series: {
      [`sekali_rejected_log_records_total{${A},reason="unacceptable"}`]: "0x10 3x20",
      [`sekali_rejected_log_records_total{${B},reason="unacceptable"}`]: "0x10 1x20",
      [`sekali_rejected_log_records_total{${A},reason="topic-not-covered"}`]: "0+60x30",
    },
    labels: { ...JOB, reason: "unacceptable" },
    summary: "4 log records of OTLP were rejected (unacceptable).",
  },
  SekaliDeadLetters: {
    series: {
      [`sekali_dead_lettered_deliveries_total{${A}}`]: "4x10 6x20",
      [`sekali_dead_lettered_deliveries_total{${B}}`]: "4x10 6x20",
    },
    labels: JOB,
    summary: "2 deliveries could not be stored and were kept as dead letters.",
  },
  SekaliConflictsRising: {
    series: { [`sekali_conflicts_total{${A}}`]: "0x10 50x20" },
    labels: JOB,
    summary: "50 duplicates said something else than what is stored.",
  },
  SekaliSlowAcknowledgement: {
    series: {
      [`sekali_acknowledgement_duration_seconds_bucket{${A},le="0.5"}`]: "0x30",
      [`sekali_acknowledgement_duration_seconds_bucket{${A},le="1"}`]: "0+100x30",
      [`sekali_acknowledgement_duration_seconds_bucket{${A},le="+Inf"}`]: "0+100x30",
    },
    labels: JOB,
    summary: "1 % of publishes wait longer than 995ms for Redis to have them on disk.",
  },
  SekaliTopicsFull: {
    series: { [`sekali_topics{${A}}`]: "95x30", [`sekali_topics_max{${A}}`]: "100x30" },
    labels: JOB,
    summary: "95% of the topics that there may be are in use.",
  },
  SekaliFileDescriptors: {
    series: { [`process_open_fds{${A}}`]: "90x30", [`process_max_fds{${A}}`]: "100x30" },
    labels: OF_A,
    summary: "a has 90% of its file descriptors open.",
  },
  SekaliEventLoopSlow: {
    series: { [`nodejs_eventloop_lag_p99_seconds{${A}}`]: "0.5x30" },
    labels: OF_A,
    summary: "a is late by 500ms: its processor is not enough.",
  },
  SekaliCertificateExpires: {
    series: {
      [`sekali_certificate_expiry_timestamp_seconds{${A},certificate="https"}`]: `${10 * 86_400}x30`,
      [`sekali_certificate_expiry_timestamp_seconds{${B},certificate="https"}`]: `${60 * 86_400}x30`,
    },
    labels: { ...OF_A, certificate: "https" },
    summary: "The https certificate of a expires in 9d 23h 40m 0s.",
  },
  SekaliCertificateExpiresSoon: {
    series: {
      [`sekali_certificate_expiry_timestamp_seconds{${A},certificate="database"}`]: `${2 * 86_400}x30`,
      [`sekali_certificate_expiry_timestamp_seconds{${A},certificate="broker"}`]: `${10 * 86_400}x30`,
    },
    labels: { ...OF_A, certificate: "database" },
    summary: "The database certificate of a expires in 1d 23h 40m 0s.",
  },
};

/** Half an hour in which nothing is wrong, although much happens. */
const WELL: Series = {
  [`sekali_build_info{${A},version="1"}`]: "1x30",
  [`sekali_lost_deliveries_total{${A}}`]: "7x30",
  [`sekali_redis_durability_warnings{${A}}`]: "0x30",
  [`sekali_redis_foreign{${A}}`]: "0x30",
  [`sekali_up{${A},dependency="redis"}`]: "1x20 0 1x20",
  [`sekali_stuck_shard_age_seconds{${A}}`]: "0x20 30 0x20",
  [`sekali_oldest_queued_delivery_age_seconds{${A},shard="0"}`]: "2x30",
  [`sekali_queued_deliveries{${A},shard="0"}`]: "40x30",
  [`sekali_queued_deliveries_max{${A}}`]: "100x30",
  [`sekali_refused_requests_total{${A},reason="overloaded"}`]: "9x30",
  [`sekali_refused_requests_total{${A},reason="malformed"}`]: "0+60x30",
  [`sekali_refused_requests_total{${A},reason="internal-error"}`]: "1x30",
  [`sekali_rejected_log_records_total{${A},reason="unacceptable"}`]: "5x30",
  [`sekali_dead_lettered_deliveries_total{${A}}`]: "4x30",
  [`sekali_conflicts_total{${A}}`]: "0x10 5x30",
  [`sekali_acknowledgement_duration_seconds_bucket{${A},le="0.5"}`]: "0+100x30",
  [`sekali_acknowledgement_duration_seconds_bucket{${A},le="+Inf"}`]: "0+100x30",
  [`sekali_topics{${A}}`]: "80x30",
  [`sekali_topics_max{${A}}`]: "100x30",
  [`process_open_fds{${A}}`]: "70x30",
  [`process_max_fds{${A}}`]: "100x30",
  [`nodejs_eventloop_lag_p99_seconds{${A}}`]: "0.1x30",
  [`sekali_certificate_expiry_timestamp_seconds{${A},certificate="https"}`]: `${15 * 86_400}x30`,
};

const inputOf = (series: Series) => Object.entries(series).map(([name, values]) => ({ series: name, values }));

/** Writes the test as JSON, which is YAML. */
async function testRules(name: string, series: Series, expected: readonly object[]): Promise<string> {
  const file = join(folder, `${name}.yaml`);
  const test = { interval: "1m", input_series: inputOf(series), alert_rule_test: expected };
  await Bun.write(file, JSON.stringify({ rule_files: [ALERTS_FILE], evaluation_interval: "1m", tests: [test] }));
  return await promtool("test", "rules", file);
}

test("promtool finds no fault with the rules, and none with the scrape's configuration", async () => {
  expect(await promtool("check", "rules", ALERTS_FILE)).toContain("SUCCESS");
  expect(await promtool("check", "config", CONFIG_FILE)).toContain("SUCCESS");
});

test("each alert has a case, a summary and what to do", async () => {
  const alerts = await readAlerts();
  expect(alerts.map(({ alert }) => alert).toSorted()).toEqual(Object.keys(TROUBLE).toSorted());
  for (const { labels, annotations } of alerts) {
    expect(labels.severity).toMatch(/^(page|ticket)$/);
    expect(annotations.summary).toMatch(/\.$/);
    expect(annotations.action.length).toBeGreaterThan(40);
  }
});

describe("in its trouble", () => {
  test.each(Object.entries(TROUBLE))("%s fires once, however many processes show it", async (alert, trouble) => {
    const rule = (await readAlerts()).find((each) => each.alert === alert) as Alert;
    const expected = {
      exp_labels: { ...trouble.labels, ...rule.labels },
      exp_annotations: { summary: trouble.summary, action: rule.annotations.action },
    };
    await testRules(alert, trouble.series, [{ eval_time: "20m", alertname: alert, exp_alerts: [expected] }]);
  });
});

test("in an ordinary half hour none fires", async () => {
  const quiet = (await readAlerts()).flatMap(({ alert }) =>
    ["10m", "20m", "21m", "30m"].map((eval_time) => ({ eval_time, alertname: alert, exp_alerts: [] })),
  );
  await testRules("well", WELL, quiet);
});
