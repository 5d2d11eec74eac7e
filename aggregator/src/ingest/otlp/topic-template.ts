/**
 * The topic of a log record, from a template such as `{service.name}.{severity}`.
 *
 * A name in braces is an attribute: the record's, else its scope's, else its resource's; `{severity}` is the range of
 * the severity number. What can't stand in a topic is replaced, so that every record has one.
 */
import { topicFault } from "@sekali/contract";

const PLACE = /\{([^{}]+)\}/g;
/** What stands where an attribute is missing or empty. */
const MISSING = "unknown";

/** @returns what is wrong with a template, in words for a person, or undefined where it is fine. */
export function topicTemplateFault(template: string): string | undefined {
  return topicFault(template.replace(PLACE, "x"));
}

/** @param lookUp gives a place's text, or undefined where there is none */
export function fillTopic(template: string, lookUp: (name: string) => string | undefined): string {
  const filled = template.replace(PLACE, (_, name: string) => tokensOf(lookUp(name) ?? ""));
  return topicFault(filled) === undefined ? filled : tokensOf(Array.from(filled).slice(0, 255).join(""));
}

/** Dots stay: they are what a service's name and a topic have in common. */
function tokensOf(text: string): string {
  const tokens = text
    .toWellFormed()
    .replace(/[\s\p{White_Space}\p{Cc}*>#]+/gu, "-")
    .split(".")
    .filter((token) => token !== "");
  return tokens.join(".") || MISSING;
}

/** SeverityNumber's ranges of four: TRACE 1–4, DEBUG 5–8, INFO 9–12, WARN 13–16, ERROR 17–20, FATAL 21–24. */
const SEVERITIES = ["trace", "debug", "info", "warn", "error", "fatal"];

export function severityName(severityNumber: number): string {
  return SEVERITIES[Math.floor((severityNumber - 1) / 4)] ?? "unspecified";
}
