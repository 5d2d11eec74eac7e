/** The places of one request that do not fit: each named once, by JSON pointer (RFC 6901), and bounded in number. */
import { NAMED_ERRORS_MAX, POINTER_CHARACTERS_MAX, POINTER_TOKEN_CHARACTERS_MAX } from "./limits.ts";
import type { ProblemPlace } from "./replies.ts";

export class Places {
  readonly named: ProblemPlace[] = [];
  #found = 0;

  /**
   * Once full, whoever looks for faults stops: a hostile body buys no work without end, not by repeating itself either.
   */
  get isFull(): boolean {
    return this.#found >= NAMED_ERRORS_MAX;
  }

  /** A second fault at a place that is named already adds nothing that the sender could act on. */
  add(pointer: string, detail: string): void {
    if (this.isFull) return;
    this.#found++;
    const bounded = cut(pointer, POINTER_CHARACTERS_MAX);
    if (this.named.some((place) => place.pointer === bounded)) return;
    this.named.push({ pointer: bounded, detail });
  }
}

/** One field name or index as part of a pointer. A long name is cut: it would be echoed to the sender and into logs. */
export function pointerToken(name: string | number): string {
  if (typeof name === "number") return `/${name}`;
  return `/${cut(name, POINTER_TOKEN_CHARACTERS_MAX).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

function cut(text: string, charactersMax: number): string {
  const bounded = text.length <= charactersMax ? text : `${text.slice(0, charactersMax - 1)}…`;
  return bounded.toWellFormed();
}
