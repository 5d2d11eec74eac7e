/**
 * What only the text of a JSON document shows, and its parsed value no longer does: how deep it nests (before a parser
 * has to go there), how many digits its numbers have, which escapes its strings contain, and all of that also for values
 * that a later duplicate of their key hides. Postgres reads the text, so the text is what is judged.
 *
 * `judgeText` is the fast half, run on every request: one pass, no allocation, a verdict and no more. `findTextFaults` is
 * the slow half, run only when the verdict is bad: the same rules, with the place of each fault. Neither checks that the
 * text is JSON; both end on any text, and what they say matters only if JSON.parse agrees that it is.
 */
import { LONE_SURROGATE_FAULT, NUL_FAULT } from "./identifiers.ts";
import { NUMBER_DIGITS_MAX, NUMBER_EXPONENT_MAX, PAYLOAD_DEPTH_MAX } from "./limits.ts";
import { type Places, pointerToken } from "./places.ts";

/** `deep`: do not parse. `faulty`: may be parsed, but holds a number or a string that cannot be kept. */
export type TextVerdict = "clean" | "faulty" | "deep";

const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const UPPER_E = 0x45;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const LOWER_E = 0x65;
const LOWER_U = 0x75;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** @param depthMax levels of the whole document, its outermost array or object being level 1 */
export function judgeText(text: string, depthMax: number): TextVerdict {
  let verdict: TextVerdict = "clean";
  let depth = 0;
  // The next backslash at or after `at`, or the end: most documents have none, and then no string is looked into.
  let backslashAt = indexOrEnd(text, "\\", 0);
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const start = at + 1;
      at = indexOrEnd(text, '"', start);
      if (backslashAt < at) {
        at = endOfString(text, start);
        if (stringFault(text, start, at) !== undefined) verdict = "faulty";
        backslashAt = indexOrEnd(text, "\\", at);
      }
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth++;
      if (depth > depthMax) return "deep";
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth--;
    } else if (code === MINUS || (code >= ZERO && code <= NINE)) {
      const start = at;
      at = endOfNumber(text, at);
      if (numberFault(text, start, at) !== undefined) verdict = "faulty";
      at--;
    }
  }
  return verdict;
}

/** A level of the document on the way down to the place that is being looked at. */
type Level = { readonly isArray: boolean; index: number; key: string };

/**
 * Names the place of each fault.
 *
 * @param baseDepth levels above the payload object: 1 for a single event, 2 for an array of them
 */
export function findTextFaults(text: string, baseDepth: number, places: Places): void {
  const depthMax = baseDepth + PAYLOAD_DEPTH_MAX;
  const levels: Level[] = [];
  let depth = 0;
  let awaitsKey = false;
  for (let at = 0; at < text.length && !places.isFull; at++) {
    const code = text.charCodeAt(at);
    const level = levels.at(-1);
    if (code === QUOTE) {
      const start = at + 1;
      at = endOfString(text, start);
      const fault = stringFault(text, start, at);
      if (fault !== undefined)
        places.add(pointerTo(levels, levels.length - (awaitsKey ? 1 : 0)), awaitsKey ? inKey(fault) : fault);
      if (awaitsKey && level !== undefined) level.key = unescaped(text, start, at);
      awaitsKey = false;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth++;
      if (depth <= depthMax) levels.push({ isArray: code === OPEN_BRACKET, index: 0, key: "" });
      else places.add(pointerTo(levels, baseDepth), `must not nest deeper than ${PAYLOAD_DEPTH_MAX} levels`);
      awaitsKey = code === OPEN_BRACE;
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      if (depth <= depthMax) levels.pop();
      depth--;
      awaitsKey = false;
    } else if (code === COMMA && level !== undefined && depth <= depthMax) {
      level.index++;
      awaitsKey = !level.isArray;
    } else if (code === MINUS || (code >= ZERO && code <= NINE)) {
      const start = at;
      at = endOfNumber(text, at);
      const fault = numberFault(text, start, at);
      if (fault !== undefined) places.add(pointerTo(levels, levels.length), fault);
      at--;
    }
  }
}

function inKey(fault: string): string {
  return `has a field name that ${fault}`;
}

function pointerTo(levels: readonly Level[], count: number): string {
  let pointer = "";
  for (const level of levels.slice(0, count)) pointer += pointerToken(level.isArray ? level.index : level.key);
  return pointer;
}

function unescaped(text: string, start: number, end: number): string {
  try {
    return String(JSON.parse(text.slice(start - 1, end + 1)));
  } catch {
    return text.slice(start, end);
  }
}

/** The index of the closing quotation mark, or of the end of the text. */
function endOfString(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at++;
  }
  return text.length;
}

/** Judges the escapes of the string between two quotation marks. Unescaped, neither NUL nor half a pair can occur. */
function stringFault(text: string, start: number, end: number): string | undefined {
  for (let at = text.indexOf("\\", start); at !== -1 && at < end; at = text.indexOf("\\", at)) {
    if (text.charCodeAt(at + 1) !== LOWER_U) {
      at += 2;
      continue;
    }
    const unit = hexUnit(text, at + 2);
    at += 6;
    if (unit === 0) return NUL_FAULT;
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const next = text.startsWith("\\u", at) ? hexUnit(text, at + 2) : 0;
    if (unit > 0xdbff || next < 0xdc00 || next > 0xdfff) return LONE_SURROGATE_FAULT;
    at += 6;
  }
  return undefined;
}

/** Four hexadecimal digits; what is no such thing counts as an ordinary character, for JSON.parse will refuse it. */
function hexUnit(text: string, at: number): number {
  const unit = Number.parseInt(text.slice(at, at + 4), 16);
  return Number.isNaN(unit) ? 1 : unit;
}

function endOfNumber(text: string, start: number): number {
  let at = start;
  while (at < text.length && isNumberCode(text.charCodeAt(at))) at++;
  return at;
}

function isNumberCode(code: number): boolean {
  return (
    (code >= ZERO && code <= NINE) ||
    code === DOT ||
    code === MINUS ||
    code === PLUS ||
    code === LOWER_E ||
    code === UPPER_E
  );
}

function numberFault(text: string, start: number, end: number): string | undefined {
  let digits = 0;
  let exponent = 0;
  let isExponent = false;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === LOWER_E || code === UPPER_E) isExponent = true;
    if (code < ZERO || code > NINE) continue;
    digits++;
    if (isExponent) exponent = exponent * 10 + code - ZERO;
  }
  if (digits > NUMBER_DIGITS_MAX) return `must not have more than ${NUMBER_DIGITS_MAX} digits`;
  if (exponent > NUMBER_EXPONENT_MAX) {
    return `must have an exponent between -${NUMBER_EXPONENT_MAX} and ${NUMBER_EXPONENT_MAX}`;
  }
  return undefined;
}

function indexOrEnd(text: string, searched: string, from: number): number {
  const at = text.indexOf(searched, from);
  return at === -1 ? text.length : at;
}
