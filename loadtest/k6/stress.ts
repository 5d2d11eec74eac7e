/** Ingest: the streams of a profile, each at its own arrival rate, for as long as its stages last. */
import { SharedArray } from "k6/data";
import exec from "k6/execution";
import type { Options, Scenario } from "k6/options";
import { profile, run, summaryFile, TREND_STATISTICS, targets } from "./environment.ts";
import { type PreparedRequest, preparedRequests } from "./plan.ts";
import { type LoadProfile, requestsPlanned, type Stream } from "./profiles.ts";
import { publish } from "./publish.ts";

if (profile.kind !== "load") {
  throw new Error(`${profile.name} is no load profile`);
}
const load: LoadProfile = profile;

interface Lane {
  readonly stream: Stream;
  readonly requests: PreparedRequest[];
}

// Prepared once for all virtual users: making bodies while sending would measure k6 instead of the service.
const lanes = new Map<string, Lane>(
  load.streams.map((stream) => [
    stream.name,
    { stream, requests: new SharedArray(stream.name, () => preparedRequests(run, stream)) },
  ]),
);

function scenarioOf(stream: Stream): Scenario {
  const stages = stream.stages.map((stage) => ({ duration: `${stage.seconds}s`, target: stage.requests_per_s }));
  return {
    executor: "ramping-arrival-rate",
    startRate: stream.stages[0]?.requests_per_s ?? 0,
    timeUnit: "1s",
    preAllocatedVUs: stream.vus_max,
    maxVUs: stream.vus_max,
    // Nothing may be cut off in the middle: a request without an answer would blur the recount.
    gracefulStop: "90s",
    stages,
  };
}

const requests_total = load.streams.reduce((sum, stream) => sum + requestsPlanned(stream), 0);
const perStream = load.streams.map((stream): [string, string[]] => [
  `${stream.ack === "stored" ? "stored_ms" : "acknowledge_ms"}{stream:${stream.name}}`,
  [`p(99)<${stream.ack === "stored" ? load.stored_p99_ms_max : load.acknowledge_p99_ms_max}`],
]);
const counted = ["requests_started", "deliveries_attempted", "deliveries_acknowledged", "told_stored"].flatMap((name) =>
  load.streams.map((stream): [string, string[]] => [`${name}{stream:${stream.name}}`, ["count>=0"]]),
);

export const options: Options = {
  scenarios: Object.fromEntries(load.streams.map((stream) => [stream.name, scenarioOf(stream)])),
  summaryTrendStats: TREND_STATISTICS,
  thresholds: {
    acknowledge_ms: [`p(95)<${load.acknowledge_p95_ms_max}`, `p(99)<${load.acknowledge_p99_ms_max}`],
    ...Object.fromEntries(perStream),
    // A threshold is what makes k6 keep a figure for one stream; the recount needs these.
    ...Object.fromEntries(counted),
    deliveries_acknowledged: [`count>=${load.deliveries_min}`],
    dropped_iterations: [`count<=${Math.floor(requests_total * load.dropped_share_max)}`],
    ...(load.may_give_up ? {} : { requests_given_up: ["count==0"] }),
    replies_wrong: ["count==0"],
    http_req_failed: [`rate<=${load.failed_share_max}`],
    // Too much is refused at once and by a reply: nobody is left waiting, and no connection is dropped.
    ...(load.flood === undefined ? {} : { replies_lost: ["count==0"], http_req_duration: ["p(99)<3000"] }),
  },
};

export default function deliver(): void {
  const { name, iterationInTest } = exec.scenario;
  const lane = lanes.get(name);
  const request = lane?.requests[iterationInTest];
  if (lane === undefined || request === undefined) {
    // Sending it twice would spoil the recount, and quietly sending nothing would spoil the rate.
    exec.test.abort(`no body is prepared for request ${iterationInTest} of ${name}`);
    return;
  }
  const { ack, tries_max } = lane.stream;
  const url = targets[iterationInTest % targets.length] as string;
  publish({ url, stream: name, number: iterationInTest, ack, tries_max, ...request });
}

export function handleSummary(data: unknown): Record<string, string> {
  return { [summaryFile]: JSON.stringify(data) };
}
