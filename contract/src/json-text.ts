/**
 * What only the text of a JSON document shows, and its parsed value no longer does: how deep it nests (before a parser
 * has to go there), how many digits its numbers have, which escapes its strings contain, and all of that also for
 * values that a later duplicate of their key hides. Postgres reads the text, so the text is what is judged.
 *
 * `judgeText` is the fast half, run on every request: one pass, no allocation, a verdict and no more. `findTextFaults`
 * is the slow half, run only when the verdict is bad: the same rules, with the place of each fault. Neither checks that
 * the text is JSON; both end on any text, and what they say matters only if JSON.parse agrees that it is.
 */
import { LONE_SURROGATE_FAULT, NUL_FAULT } from "./identifiers.ts";
import { BODY_EXPONENTS_SUM_MAX, NUMBER_DIGITS_MAX, NUMBER_EXPONENT_MAX, PAYLOAD_DEPTH_MAX } from "./limits.ts";
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

const SURROGATE_FIRST = 0xd800;
const LOW_SURROGATE_FIRST = 0xdc00;
const SURROGATE_LAST = 0xdfff;

/** @param depthMax levels of the whole document, its outermost array or object being level 1 */
export function judgeText(text: string, depthMax: number): TextVerdict {
  let verdict: TextVerdict = "clean";
  let depth = 0;
  let exponents = 0;
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
    } else if (isDigit(code)) {
      const start = at;
      at = endOfNumber(text, at);
      exponents += exponentOf(text, start, at);
      if (exponents > BODY_EXPONENTS_SUM_MAX || numberFault(text, start, at) !== undefined) verdict = "faulty";
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
  new FaultFinder(text, baseDepth, places).run();
}

class FaultFinder {
  readonly #text: string;
  readonly #baseDepth: number;
  readonly #depthMax: number;
  readonly #places: Places;
  /** At most `#depthMax` of them, however deep the text nests. */
  readonly #levels: Level[] = [];
  #depth = 0;
  /** The next string is a field's name. */
  #awaitsKey = false;
  #exponents = 0;
  /** The last event that was found too deep: one such fault an event is enough. */
  #deepEvent = -1;

  constructor(text: string, baseDepth: number, places: Places) {
    this.#text = text;
    this.#baseDepth = baseDepth;
    this.#depthMax = baseDepth + PAYLOAD_DEPTH_MAX;
    this.#places = places;
  }

  run(): void {
    for (let at = 0; at < this.#text.length && !this.#places.isFull; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === QUOTE) at = this.#string(at);
      else if (isDigit(code)) at = this.#number(at);
      else if (code === OPEN_BRACE || code === OPEN_BRACKET) this.#open(code === OPEN_BRACKET);
      else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) this.#close();
      else if (code === COMMA) this.#comma();
    }
  }

  get #isTooDeep(): boolean {
    return this.#depth > this.#depthMax;
  }

  #open(isArray: boolean): void {
    this.#depth++;
    this.#awaitsKey = !isArray;
    if (!this.#isTooDeep) {
      this.#levels.push({ isArray, index: 0, key: "" });
      return;
    }
    const event = this.#baseDepth === 1 ? 0 : (this.#levels[0]?.index ?? 0);
    if (event === this.#deepEvent) return;
    this.#deepEvent = event;
    this.#places.add(this.#pointer(this.#baseDepth), `must not nest deeper than ${PAYLOAD_DEPTH_MAX} levels`);
  }

  #close(): void {
    if (!this.#isTooDeep) this.#levels.pop();
    this.#depth--;
  }

  #comma(): void {
    const level = this.#levels.at(-1);
    if (level === undefined || this.#isTooDeep) return;
    level.index++;
    this.#awaitsKey = !level.isArray;
  }

  /** @returns the index of the last character that belongs to the string */
  #string(openedAt: number): number {
    const start = openedAt + 1;
    const end = endOfString(this.#text, start);
    // Past the deepest level the place is no longer known, and the event is refused already.
    if (this.#isTooDeep) return end;
    const fault = stringFault(this.#text, start, end);
    if (this.#awaitsKey) this.#key(start, end, fault);
    else if (fault !== undefined) this.#places.add(this.#pointer(), fault);
    return end;
  }

  #key(start: number, end: number, fault: string | undefined): void {
    this.#awaitsKey = false;
    const level = this.#levels.at(-1);
    if (level !== undefined) level.key = unescaped(this.#text, start, end);
    if (fault !== undefined) this.#places.add(this.#pointer(), `has a name that ${fault}`);
  }

  /** @returns the index of the last character that belongs to the number */
  #number(start: number): number {
    const end = endOfNumber(this.#text, start);
    const exponentsBefore = this.#exponents;
    this.#exponents += exponentOf(this.#text, start, end);
    const isLast = exponentsBefore <= BODY_EXPONENTS_SUM_MAX && this.#exponents > BODY_EXPONENTS_SUM_MAX;
    const sumFault = isLast ? EXPONENTS_FAULT : undefined;
    const fault = this.#isTooDeep ? undefined : (numberFault(this.#text, start, end) ?? sumFault);
    if (fault !== undefined) this.#places.add(this.#pointer(), fault);
    return end - 1;
  }

  #pointer(levelsMax = this.#levels.length): string {
    let pointer = "";
    for (const level of this.#levels.slice(0, levelsMax)) {
      pointer += pointerToken(level.isArray ? level.index : level.key);
    }
    return pointer;
  }
}

/** The name between two quotation marks, as far as it is needed to tell a place. */
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
  for (let at = start; at < end; at++) {
    if (text.charCodeAt(at) !== BACKSLASH) continue;
    at++;
    if (text.charCodeAt(at) !== LOWER_U) continue;
    const unit = hexUnit(text, at + 1);
    at += 4;
    if (unit === 0) return NUL_FAULT;
    if (unit < SURROGATE_FIRST || unit > SURROGATE_LAST) continue;
    const next = text.startsWith("\\u", at + 1) ? hexUnit(text, at + 3) : 0;
    const isPair = unit < LOW_SURROGATE_FIRST && next >= LOW_SURROGATE_FIRST && next <= SURROGATE_LAST;
    if (!isPair) return LONE_SURROGATE_FAULT;
    at += 6;
  }
  return undefined;
}

/** Four hexadecimal digits; what is no such thing counts as an ordinary character, for JSON.parse will refuse it. */
function hexUnit(text: string, at: number): number {
  const unit = Number.parseInt(text.slice(at, at + 4), 16);
  return Number.isNaN(unit) ? 1 : unit;
}

/** Where a number begins, as far as its size matters: a minus sign before it adds nothing. */
function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

function endOfNumber(text: string, start: number): number {
  let at = start;
  while (at < text.length && isNumberCode(text.charCodeAt(at))) at++;
  return at;
}

function isNumberCode(code: number): boolean {
  return isDigit(code) || code === DOT || code === MINUS || code === PLUS || code === LOWER_E || code === UPPER_E;
}

const EXPONENTS_FAULT = `must not bring the sum of this request's exponents over ${BODY_EXPONENTS_SUM_MAX}`;

/** Without its sign; 0 where there is none. */
function exponentOf(text: string, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === LOWER_E || code === UPPER_E) return Math.abs(Number(text.slice(at + 1, end))) || 0;
  }
  return 0;
}

function numberFault(text: string, start: number, end: number): string | undefined {
  let digits = 0;
  let exponent = 0;
  let isExponent = false;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === LOWER_E || code === UPPER_E) isExponent = true;
    if (!isDigit(code)) continue;
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
