/** The end of a run in words, for a person. */
import type { Tally } from "./tally.ts";

export type ShipSummary = Tally & {
  readonly complete: boolean;
  readonly halted: string | undefined;
  readonly seconds: number;
};

export function summaryText(file: string, summary: ShipSummary): string {
  const { sent, acknowledged, stored, duplicates, dead_lettered, refused, given_up, unsent } = summary;
  const dead = dead_lettered > 0 ? `, ${dead_lettered} dead letters` : "";
  const acknowledgements = `${acknowledged} acknowledged (${stored} stored, ${duplicates} duplicates${dead})`;
  const left = unsent > 0 ? `, ${unsent} read but not sent` : "";
  const name = file === "-" ? "stdin" : file;
  const figures = `${sent} lines sent, ${acknowledgements}, ${refused} refused, ${given_up} given up${left}`;
  const lines = [`${name}: ${figures} in ${summary.seconds.toFixed(1)} s`];
  if (summary.halted !== undefined) lines.push(`stopped: ${summary.halted}`);
  if (!summary.complete)
    lines.push("The input was not shipped to its end. Run the same again: nothing is stored twice.");
  return lines.join("\n");
}
