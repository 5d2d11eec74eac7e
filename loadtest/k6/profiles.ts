/**
 * The load profiles. Pure: k6 builds its scenarios from them, and the recount works out from the same figures which
 * events must be in the database afterwards.
 *
 * A stream is one kind of request at an arrival rate of its own (an open model: k6 starts requests by the clock,
 * and does not wait for the service, so that a slow service cannot slow its own test down).
 */

export type StreamName = "single" | "batch" | "stored";

/** From the rate before (the first stage starts at its own rate) to `requests_per_s`, in a straight line. */
export interface Stage {
  readonly seconds: number;
  readonly requests_per_s: number;
}

export interface Stream {
  readonly name: StreamName;
  readonly ack: "queued" | "stored";
  readonly events_per_request: number;
  readonly stages: readonly Stage[];
  readonly vus_max: number;
}

export interface LoadProfile {
  readonly kind: "load";
  readonly name: string;
  readonly purpose: string;
  readonly streams: readonly Stream[];
  /** A run that acknowledged fewer deliveries than this has not shown what its profile is for, and fails. */
  readonly deliveries_min: number;
  readonly acknowledge_p95_ms_max: number;
  readonly acknowledge_p99_ms_max: number;
  readonly stored_p99_ms_max: number;
  /** The share of requests that k6 may fail to start in time, because every virtual user was still waiting. */
  readonly dropped_share_max: number;
}

export type RaceName = "same_identity" | "opposite_order" | "many_topics";

export interface RaceProfile {
  readonly kind: "races";
  readonly name: string;
  readonly purpose: string;
  readonly vus: number;
  readonly rounds: number;
  readonly round_ms: number;
  /** How many identities the overlapping batches of one round hold. */
  readonly batch_events: number;
}

export type Profile = LoadProfile | RaceProfile;

const steady = (seconds: number, requests_per_s: number): Stage[] => [{ seconds, requests_per_s }];

const smoke: LoadProfile = {
  kind: "load",
  name: "smoke",
  purpose: "does everything work at all: five seconds, a trickle",
  streams: [
    { name: "single", ack: "queued", events_per_request: 1, stages: steady(5, 50), vus_max: 20 },
    { name: "batch", ack: "queued", events_per_request: 50, stages: steady(5, 4), vus_max: 5 },
    { name: "stored", ack: "stored", events_per_request: 1, stages: steady(5, 4), vus_max: 10 },
  ],
  deliveries_min: 1_000,
  acknowledge_p95_ms_max: 500,
  acknowledge_p99_ms_max: 2_000,
  stored_p99_ms_max: 5_000,
  dropped_share_max: 0.05,
};

const stress: LoadProfile = {
  ...smoke,
  name: "stress",
  purpose: "a steady load of about 2,600 events a second, single and in batches, for twenty seconds",
  streams: [
    { name: "single", ack: "queued", events_per_request: 1, stages: steady(20, 600), vus_max: 100 },
    { name: "batch", ack: "queued", events_per_request: 100, stages: steady(20, 20), vus_max: 30 },
    { name: "stored", ack: "stored", events_per_request: 1, stages: steady(20, 10), vus_max: 30 },
  ],
  deliveries_min: 20_126,
};

const spike: LoadProfile = {
  ...smoke,
  name: "spike",
  purpose: "calm, then ten times as much within two seconds, then calm again",
  streams: [
    {
      name: "single",
      ack: "queued",
      events_per_request: 1,
      stages: [...steady(8, 150), ...steady(2, 1_500), ...steady(8, 1_500), ...steady(2, 150), ...steady(10, 150)],
      vus_max: 250,
    },
    {
      name: "batch",
      ack: "queued",
      events_per_request: 100,
      stages: [...steady(8, 5), ...steady(2, 50), ...steady(8, 50), ...steady(2, 5), ...steady(10, 5)],
      vus_max: 60,
    },
    { name: "stored", ack: "stored", events_per_request: 1, stages: steady(30, 10), vus_max: 60 },
  ],
  deliveries_min: 40_000,
  acknowledge_p95_ms_max: 2_000,
  acknowledge_p99_ms_max: 5_000,
  stored_p99_ms_max: 10_000,
  dropped_share_max: 0.1,
};

const soak: LoadProfile = {
  ...smoke,
  name: "soak",
  purpose: "ten minutes at an even pace: does anything grow that should not",
  streams: [
    { name: "single", ack: "queued", events_per_request: 1, stages: steady(600, 150), vus_max: 60 },
    { name: "batch", ack: "queued", events_per_request: 100, stages: steady(600, 4), vus_max: 20 },
    { name: "stored", ack: "stored", events_per_request: 1, stages: steady(600, 5), vus_max: 20 },
  ],
  deliveries_min: 300_000,
};

const races: RaceProfile = {
  kind: "races",
  name: "races",
  purpose: "fifty callers send the same identity in the same instant: exactly one is told that its delivery was stored",
  vus: 50,
  rounds: 20,
  round_ms: 500,
  batch_events: 100,
};

export const PROFILES: readonly Profile[] = [smoke, stress, spike, soak, races];

export function profileNamed(name: string): Profile {
  const found = PROFILES.find((profile) => profile.name === name);
  if (found === undefined) {
    throw new Error(`no profile is called ${name}: take one of ${PROFILES.map((profile) => profile.name).join(", ")}`);
  }
  return found;
}

/** How many requests the stages start: the area under their line. */
export function requestsPlanned(stream: Stream): number {
  let area = 0;
  let before = stream.stages[0]?.requests_per_s ?? 0;
  for (const stage of stream.stages) {
    area += (stage.seconds * (before + stage.requests_per_s)) / 2;
    before = stage.requests_per_s;
  }
  return Math.ceil(area);
}

/** Bodies are prepared for a few requests more than planned, because k6 rounds at the edge of each stage. */
export function requestsPrepared(stream: Stream): number {
  return Math.ceil(requestsPlanned(stream) * 1.01) + 20;
}

export function secondsPlanned(profile: Profile): number {
  if (profile.kind === "races") {
    return Math.ceil((3 * profile.rounds * profile.round_ms) / 1_000);
  }
  return Math.max(...profile.streams.map((s) => s.stages.reduce((sum, stage) => sum + stage.seconds, 0)));
}
