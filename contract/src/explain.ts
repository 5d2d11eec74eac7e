/**
 * Says in words why a value is no event. It runs only for values that the compiled schema has refused, and follows the
 * same rules by calling the same functions, so the two cannot disagree.
 */
import { eventIdFault, sourceFault, topicFault } from "./identifiers.ts";
import { type Places, pointerToken } from "./places.ts";
import { timestampFault } from "./timestamp.ts";

const TEXT_FIELDS: Readonly<Record<string, (value: string) => string | undefined>> = {
  topic: topicFault,
  event_id: eventIdFault,
  timestamp: timestampFault,
  source: sourceFault,
};

const FIELD_NAMES: readonly string[] = [...Object.keys(TEXT_FIELDS), "payload"];

/** @param pointer of the value itself: "" for a single event, "/3" for the fourth of a batch */
export function explainEvent(value: unknown, pointer: string, places: Places): void {
  if (!isObject(value)) {
    places.add(pointer, `must be an event, which is an object, not ${kindOf(value)}`);
    return;
  }
  for (const [name, textFault] of Object.entries(TEXT_FIELDS)) {
    const fault = Object.hasOwn(value, name) ? textFieldFault(value[name], textFault) : "is missing";
    if (fault !== undefined) places.add(pointer + pointerToken(name), fault);
  }
  if (!Object.hasOwn(value, "payload")) places.add(`${pointer}/payload`, "is missing");
  else if (!isObject(value["payload"])) {
    places.add(`${pointer}/payload`, `must be an object, not ${kindOf(value["payload"])}`);
  }
  for (const name of Object.keys(value)) {
    if (places.isFull) return;
    if (!FIELD_NAMES.includes(name)) {
      places.add(pointer + pointerToken(name), `is not a field of an event, which has ${FIELD_NAMES.join(", ")}`);
    }
  }
}

function textFieldFault(value: unknown, textFault: (value: string) => string | undefined): string | undefined {
  return typeof value === "string" ? textFault(value) : `must be a string, not ${kindOf(value)}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
