/** One event as a line for a terminal: `2026-01-31 12:00:00.123456Z  user.auth  web-frontend  {"user": 7}`. */
import { styleText } from "node:util";

export type LineForm = "json" | "plain" | "colour";

const TOPIC_COLOURS = ["cyan", "green", "magenta", "yellow", "blue", "red"] as const;

/** Control characters, and those that turn the direction of text: an event must not write over a terminal. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/**
 * @param record the JSON text of an `EventRecord` as the service writes it. The payload is cut out of it, never parsed
 * and written anew, so that numbers keep their digits.
 */
export function renderLine(record: string, form: LineForm): string {
  if (form === "json") return `${record}\n`;
  const { topic, source, timestamp } = JSON.parse(record) as { topic: string; source: string; timestamp: string };
  const parts = [timestamp.replace("T", " "), topic, source, payloadOf(record)].map(printable);
  return `${(form === "colour" ? paint(parts) : parts).join("  ")}\n`;
}

/** No quote within the values before it is unescaped, so the first one that looks like the key is the key. */
function payloadOf(record: string): string {
  const start = record.indexOf(',"payload":') + ',"payload":'.length;
  return record.slice(start, record.lastIndexOf(',"received_at":'));
}

function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
  });
}

function paint([timestamp = "", topic = "", source = "", payload = ""]: readonly string[]): string[] {
  const style = (format: Parameters<typeof styleText>[0], text: string) =>
    styleText(format, text, { validateStream: false });
  return [style("dim", timestamp), style(colourOf(topic), topic), style("bold", source), payload];
}

/** The same topic has the same colour in every run. */
function colourOf(topic: string): (typeof TOPIC_COLOURS)[number] {
  let hash = 0;
  for (const character of topic) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) >>> 0;
  return TOPIC_COLOURS[hash % TOPIC_COLOURS.length] ?? "cyan";
}
