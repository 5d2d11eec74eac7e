/**
 * The end of whoever asks, for what goes on for longer than most requests: a key is revoked or expires, or the session
 * that somebody has signed in to is over. What has begun before that must not go on after it.
 */
import { RequestError } from "../problem.ts";
import type { Caller } from "./caller.ts";
import { UNKNOWN_KEY } from "./gate.ts";

/** Ends are times of the clock, and a machine may sleep, or its clock be set: so often it is looked at. */
const LOOK_MS_MAX = 10_000;

function isOver({ ended, leftMs }: Caller): boolean {
  return leftMs <= 0 || ended?.aborted === true;
}

/** @throws RequestError 401 where the caller's key or session has ended since the request began. */
export function requireGood(caller: Caller): void {
  if (isOver(caller)) throw new RequestError(UNKNOWN_KEY);
}

/** Calls `end` when the caller's key or session ends, unless `over` was aborted before: what it would end is over. */
export function whenEnded(caller: Caller, over: AbortSignal, end: () => void): void {
  if (over.aborted) return;
  if (isOver(caller)) {
    end();
    return;
  }
  caller.ended?.addEventListener("abort", end, { once: true, signal: over });
  if (caller.leftMs !== Number.POSITIVE_INFINITY) atItsTime(caller, over, end);
}

function atItsTime(caller: Caller, over: AbortSignal, end: () => void): void {
  let timer: ReturnType<typeof setTimeout>;
  const look = () => {
    if (caller.leftMs <= 0) end();
    else timer = setTimeout(look, Math.min(caller.leftMs, LOOK_MS_MAX));
  };
  over.addEventListener("abort", () => clearTimeout(timer), { once: true });
  look();
}
