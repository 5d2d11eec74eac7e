/**
 * Races: all virtual users send the same identities in the same instant and wait until these are stored. However many
 * aggregators, shards and loops they go through, exactly one caller is told `stored` for each identity.
 */
import { sleep } from "k6";
import exec from "k6/execution";
import type { Options, Scenario } from "k6/options";
import { profile, run, summaryFile, TREND_STATISTICS, targets } from "./environment.ts";
import { RACES, raceBodies, raceIdentities } from "./plan.ts";
import { PATIENT_TRIES_MAX, type RaceName, type RaceProfile } from "./profiles.ts";
import { publish } from "./publish.ts";

if (profile.kind !== "races") {
  throw new Error(`${profile.name} is no race profile`);
}
const races: RaceProfile = profile;
/** Virtual users take a moment to start; the first round waits for the last of them. */
const LEAD_MS = 1_000;

const bodies = new Map<string, [string, string][]>(
  RACES.map((race) => [race, Array.from({ length: races.rounds }, (_, round) => raceBodies(run, races, race, round))]),
);

function scenarioOf(index: number): Scenario {
  return {
    executor: "per-vu-iterations",
    vus: races.vus,
    iterations: races.rounds,
    startTime: `${index * (races.rounds * races.round_ms + LEAD_MS)}ms`,
    maxDuration: "10m",
    gracefulStop: "60s",
  };
}

const counted = ["deliveries_attempted", "deliveries_acknowledged", "told_stored", "told_duplicate"].flatMap((name) =>
  RACES.map((race): [string, string[]] => [`${name}{stream:${race}}`, ["count>=0"]]),
);

export const options: Options = {
  scenarios: Object.fromEntries(RACES.map((race, index) => [race, scenarioOf(index)])),
  summaryTrendStats: TREND_STATISTICS,
  thresholds: {
    ...Object.fromEntries(counted),
    stored_ms: ["p(99)<10000"],
    requests_given_up: ["count==0"],
    replies_wrong: ["count==0"],
    http_req_failed: ["rate<0.05"],
  },
};

/** Every virtual user works out the same instant for the same round from the clock that they share. */
function waitForRound(round: number): void {
  const starts_at = exec.scenario.startTime + LEAD_MS + round * races.round_ms;
  sleep(Math.max(0, starts_at - Date.now()) / 1_000);
}

export default function race(): void {
  const name = exec.scenario.name as RaceName;
  const round = exec.vu.iterationInScenario;
  const caller = exec.vu.idInTest;
  const both = bodies.get(name)?.[round];
  if (both === undefined) {
    exec.test.abort(`no body is prepared for round ${round} of ${name}`);
    return;
  }
  const deliveries = raceIdentities(run, races, name, round).length;
  waitForRound(round);
  publish({
    url: targets[caller % targets.length] as string,
    stream: name,
    number: round,
    ack: "stored",
    // At each target both orders, or the order would only differ where the target does.
    body: both[Math.floor(caller / targets.length) % 2] as string,
    deliveries,
    fresh: 0,
    tries_max: PATIENT_TRIES_MAX,
  });
}

export function handleSummary(data: unknown): Record<string, string> {
  return { [summaryFile]: JSON.stringify(data) };
}
