/**
 * The load profiles. Pure: k6 builds its scenarios from them, and the recount works out from the same figures which
 * events must be in the database afterwards.
 *
 * A stream is one kind of request at an arrival rate of its own (an open model: k6 starts requests by the clock,
 * and does not wait for the service, so that a slow service cannot slow its own test down).
 *
 * A profile that stops or starves processes brings a stack of its own: it must not do that to anybody's data.
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
  /** How often the same bytes are sent at most; a real client is patient, a flood is not. */
  readonly tries_max: number;
  /** As they happen, or in any order within a second, so that new events fall between old ones. */
  readonly timestamps: "in_order" | "scattered";
}

/** What happens to a process of the run's own stack, and when (seconds after the first event was stored). */
export interface Fault {
  readonly at_s: number;
  readonly process: number;
  readonly what: "terminate" | "kill" | "pause";
  /** How long it stays away or stands still. */
  readonly for_s: number;
}

/** A stack that is started for the run and removed after it. */
export interface OwnStack {
  /** Settings of each aggregator; those that take publishes come first. */
  readonly aggregators: readonly Readonly<Record<string, string>>[];
  readonly faults: readonly Fault[];
  /** How far above its state at rest the memory of any aggregator may grow; undefined where it is not looked at. */
  readonly memory_growth_mib_max: number | undefined;
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
  /** The share of replies that may be a 503 or missing. */
  readonly failed_share_max: number;
  /** Whether requests may end without an answer after all tries: only where nothing else can be asked. */
  readonly may_give_up: boolean;
  readonly stats_poll_ms: number;
  /** How many readers page through `/events` meanwhile. */
  readonly readers: number;
  /** The flood, where the profile has one: it must be too much, and after it everything must be as before. */
  readonly flood: Flood | undefined;
  readonly stack: OwnStack | undefined;
}

export interface Flood {
  readonly stream: StreamName;
  readonly ends_at_s: number;
  /** Events a second that the other streams send, and that must be stored again in the last seconds. */
  readonly calm_events_per_s: number;
  /** The bound that the flood meets: never more than this may be queued. */
  readonly queue_events_max: number;
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
  readonly stats_poll_ms: number;
  readonly stack: OwnStack | undefined;
}

export type Profile = LoadProfile | RaceProfile;

const steady = (seconds: number, requests_per_s: number): Stage[] => [{ seconds, requests_per_s }];

/** Enough for a service that is killed and comes back within P5's 15 s. */
export const PATIENT_TRIES_MAX = 12;

interface StreamOptions {
  readonly events_per_request?: number;
  readonly ack?: Stream["ack"];
  readonly tries_max?: number;
  readonly timestamps?: Stream["timestamps"];
}

function stream(name: StreamName, stages: readonly Stage[], vus_max: number, options: StreamOptions = {}): Stream {
  const usual = { ack: "queued", events_per_request: 1, tries_max: PATIENT_TRIES_MAX, timestamps: "in_order" } as const;
  return { name, stages, vus_max, ...usual, ...options };
}

const singles = (stages: readonly Stage[], vus_max: number) => stream("single", stages, vus_max);
const batches = (stages: readonly Stage[], vus_max: number, events_per_request = 100) =>
  stream("batch", stages, vus_max, { events_per_request });
const waiting = (stages: readonly Stage[], vus_max: number) => stream("stored", stages, vus_max, { ack: "stored" });

const smoke: LoadProfile = {
  kind: "load",
  name: "smoke",
  purpose: "does everything work at all: five seconds, a trickle",
  streams: [singles(steady(5, 50), 20), batches(steady(5, 4), 5, 50), waiting(steady(5, 4), 10)],
  deliveries_min: 1_000,
  acknowledge_p95_ms_max: 500,
  acknowledge_p99_ms_max: 2_000,
  stored_p99_ms_max: 5_000,
  dropped_share_max: 0.05,
  failed_share_max: 0.05,
  may_give_up: false,
  stats_poll_ms: 500,
  readers: 0,
  flood: undefined,
  stack: undefined,
};

const stress: LoadProfile = {
  ...smoke,
  name: "stress",
  purpose: "a steady load of about 2,600 events a second, single and in batches, for twenty seconds",
  streams: [singles(steady(20, 600), 100), batches(steady(20, 20), 30), waiting(steady(20, 10), 30)],
  deliveries_min: 20_126,
};

const spike: LoadProfile = {
  ...smoke,
  name: "spike",
  purpose: "calm, then ten times as much within two seconds, then calm again",
  streams: [
    singles([...steady(8, 150), ...steady(2, 1_500), ...steady(8, 1_500), ...steady(2, 150), ...steady(10, 150)], 250),
    batches([...steady(8, 5), ...steady(2, 50), ...steady(8, 50), ...steady(2, 5), ...steady(10, 5)], 60),
    waiting(steady(30, 10), 60),
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
  streams: [singles(steady(600, 150), 60), batches(steady(600, 4), 20), waiting(steady(600, 5), 20)],
  deliveries_min: 300_000,
};

const reads: LoadProfile = {
  ...smoke,
  name: "reads",
  purpose: "readers page through /events while new events fall between the old ones, and /stats is read all the time",
  streams: [
    stream("single", steady(15, 150), 50, { timestamps: "scattered" }),
    stream("batch", steady(15, 10), 20, { timestamps: "scattered", events_per_request: 50 }),
    waiting(steady(15, 5), 20),
  ],
  deliveries_min: 8_000,
  stats_poll_ms: 25,
  readers: 3,
};

const QUEUE_EVENTS_MAX = 4_000;
/** Little more room than one batch in each of two shards takes. */
const SMALL_QUEUE = {
  SHARDS: "2",
  BATCH_EVENTS_MAX: "1000",
  QUEUE_EVENTS_MAX: String(QUEUE_EVENTS_MAX),
  BODY_BYTES_MAX: "1048576",
  QUEUE_BYTES_MAX: "16777216",
};
const CALM_REQUESTS_PER_S = 80;

const overload: LoadProfile = {
  ...smoke,
  name: "overload",
  purpose: "a flood far past what a small queue and one worker take; meanwhile the worker stands still for two seconds",
  streams: [
    singles(steady(24, CALM_REQUESTS_PER_S), 400),
    stream("batch", [...steady(4, 0), ...steady(1, 200), ...steady(6, 200), ...steady(1, 0), ...steady(12, 0)], 250, {
      events_per_request: 200,
      tries_max: 1,
    }),
  ],
  deliveries_min: 3_000,
  // What a caller of the calm stream waits for is the flood's end. How long a single reply takes is looked at too.
  acknowledge_p95_ms_max: 20_000,
  acknowledge_p99_ms_max: 30_000,
  dropped_share_max: 0.5,
  failed_share_max: 1,
  may_give_up: true,
  flood: { stream: "batch", ends_at_s: 12, calm_events_per_s: CALM_REQUESTS_PER_S, queue_events_max: QUEUE_EVENTS_MAX },
  stack: {
    aggregators: [
      { ROLES: "api", ...SMALL_QUEUE },
      { ROLES: "worker", WORKERS: "1", ...SMALL_QUEUE },
    ],
    faults: [{ at_s: 7, process: 1, what: "pause", for_s: 2 }],
    // What may wait in one process (32 MiB), read, parsed and held as text, and what the garbage collector lets lie.
    memory_growth_mib_max: 128,
  },
};

const restart: LoadProfile = {
  ...smoke,
  name: "restart",
  purpose: "the only aggregator is ended twice and killed twice under load, and comes back each time",
  streams: [singles(steady(24, 150), 400), batches(steady(24, 5), 60), waiting(steady(24, 10), 150)],
  deliveries_min: 12_000,
  acknowledge_p95_ms_max: 10_000,
  acknowledge_p99_ms_max: 20_000,
  stored_p99_ms_max: 20_000,
  dropped_share_max: 0.05,
  failed_share_max: 0.9,
  stack: {
    aggregators: [{ SHARDS: "4" }],
    faults: [
      { at_s: 3, process: 0, what: "terminate", for_s: 0 },
      { at_s: 8, process: 0, what: "kill", for_s: 0 },
      { at_s: 13, process: 0, what: "terminate", for_s: 1 },
      { at_s: 18, process: 0, what: "kill", for_s: 1 },
    ],
    memory_growth_mib_max: undefined,
  },
};

const races: RaceProfile = {
  kind: "races",
  name: "races",
  purpose: "fifty callers send the same identity in the same instant: exactly one is told that its delivery was stored",
  vus: 50,
  rounds: 20,
  round_ms: 500,
  batch_events: 100,
  stats_poll_ms: 500,
  stack: undefined,
};

const racesApart: RaceProfile = {
  ...races,
  name: "races-apart",
  purpose: "the same against two aggregators: each event races its own duplicate at the other one",
  stack: { aggregators: [{}, {}], faults: [], memory_growth_mib_max: undefined },
};

export const PROFILES: readonly Profile[] = [smoke, stress, spike, soak, races, racesApart, reads, overload, restart];

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
