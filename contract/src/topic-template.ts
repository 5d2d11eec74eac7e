/**
 * The topic of a log record, from a template such as `{service.name}.{severity}`.
 *
 * A name in braces is looked up in the record, by whoever knows such records. What can't stand in a topic is replaced,
 * so that every record has one.
 */
import { topicFault } from "./identifiers.ts";
import { TOPIC_CHARACTERS_MAX } from "./limits.ts";

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
  return topicFault(filled) === undefined
    ? filled
    : tokensOf(Array.from(filled).slice(0, TOPIC_CHARACTERS_MAX).join(""));
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
