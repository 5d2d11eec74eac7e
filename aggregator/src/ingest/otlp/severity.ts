/** SeverityNumber's ranges of four: TRACE 1–4, DEBUG 5–8, INFO 9–12, WARN 13–16, ERROR 17–20, FATAL 21–24. */
const SEVERITIES = ["trace", "debug", "info", "warn", "error", "fatal"];

export function severityName(severityNumber: number): string {
  return SEVERITIES[Math.floor((severityNumber - 1) / 4)] ?? "unspecified";
}
