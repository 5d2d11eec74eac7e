/** What the harness tells the scripts. k6 has no other way in than the environment. */
import type { Run } from "./plan.ts";
import { type Profile, profileNamed } from "./profiles.ts";

function given(name: string): string {
  const value = __ENV[name];
  if (value === undefined || value === "") {
    throw new Error(`${name} is missing: run this through loadtest/src/main.ts`);
  }
  return value;
}

export const profile: Profile = profileNamed(given("LOAD_PROFILE"));
export const run: Run = {
  run: given("LOAD_RUN"),
  seed: Number(given("LOAD_SEED")),
  started_at_ms: Number(given("LOAD_STARTED_AT_MS")),
};
/** Several, separated by commas, when several aggregators share the work. */
export const targets: readonly string[] = given("LOAD_TARGETS").split(",");
export const summaryFile: string = given("LOAD_SUMMARY_FILE");

export const TREND_STATISTICS = ["min", "avg", "med", "p(95)", "p(99)", "max", "count"];
