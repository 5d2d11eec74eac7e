/**
 * Replies of the service, asked for again and again.
 *
 *   loading ──reply──▶ fresh ──failure──▶ stale ──reply──▶ fresh
 *      └────failure──▶ failed ──reply──▶ fresh
 *
 * What was last known stays while it can't be asked again. A page that nobody looks at asks rarely.
 */

import { batch, computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { accessKnown, may, noteUnauthorized } from "./session.ts";

const REPLY_MS_MAX = 8000;
const HIDDEN_MS = 10_000;

/** Why there is no reply, in words for a person. */
export interface Fault {
  /** True: nothing answered at all. */
  readonly isUnreachable: boolean;
  readonly status: number | undefined;
  readonly text: string;
}

export class Refusal extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.text);
    this.fault = fault;
  }
}

/** @throws Refusal unless the reply is a success, or has one of the statuses of `alsoFine`. */
export async function ask(
  path: string,
  options: RequestInit = {},
  alsoFine: readonly number[] = [],
): Promise<Response> {
  const limit = AbortSignal.timeout(REPLY_MS_MAX);
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  let response: Response;
  try {
    response = await fetch(path, { cache: "no-store", credentials: "same-origin", ...options, signal });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    const text = limit.aborted ? "The service did not answer in time." : "The service does not answer.";
    throw new Refusal({ isUnreachable: true, status: undefined, text });
  }
  if (response.ok || alsoFine.includes(response.status)) return response;
  if (response.status === 401) noteUnauthorized();
  throw new Refusal({ isUnreachable: false, status: response.status, text: await explain(response) });
}

async function explain(response: Response): Promise<string> {
  const fallback = `The service answered ${response.status}.`;
  try {
    const { title, detail, errors } = (await response.json()) as Record<string, unknown>;
    const places = Array.isArray(errors) ? errors.map((place) => `${place.pointer ?? ""} ${place.detail ?? ""}`) : [];
    return [detail ?? title ?? fallback, ...places.slice(0, 3)].join(" ");
  } catch {
    return fallback;
  }
}

export function faultOf(error: unknown): Fault {
  if (error instanceof Refusal) return error.fault;
  return { isUnreachable: false, status: undefined, text: error instanceof Error ? error.message : String(error) };
}

export interface Fetched<T> {
  readonly value: ReadonlySignal<T | undefined>;
  readonly fault: ReadonlySignal<Fault | undefined>;
  /** Unix milliseconds of the last reply. */
  readonly atMs: ReadonlySignal<number | undefined>;
  /** Asks now, whatever the interval says. */
  refresh(): Promise<void>;
}

export interface Asking {
  readonly everyMs: number;
  /** Statuses that carry the same body as a success. */
  readonly alsoFine?: readonly number[];
  /** What a key must be good for to ask; anybody may ask for what tells nothing of events. Unless given: read. */
  readonly scope?: "read" | "admin" | "anybody";
  /** Instead of `JSON.parse`. */
  readonly parse?: (text: string) => unknown;
}

/** Asks a path for JSON for as long as the page lives. */
export function keepAsking<T>(path: string, asking: Asking): Fetched<T> {
  const { everyMs, alsoFine = [], scope = "read", parse = JSON.parse } = asking;
  const value: Signal<T | undefined> = signal();
  const fault: Signal<Fault | undefined> = signal();
  const atMs: Signal<number | undefined> = signal();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: Promise<void> | undefined;
  const turn = async () => {
    if (scope !== "anybody") {
      await accessKnown;
      if (!may(scope)) {
        fault.value = { isUnreachable: false, status: 403, text: `This needs a key that is good for ${scope}.` };
        return;
      }
    }
    try {
      const reply = parse(await (await ask(path, {}, alsoFine)).text()) as T;
      batch(() => {
        value.value = reply;
        atMs.value = Date.now();
        fault.value = undefined;
      });
    } catch (error) {
      fault.value = faultOf(error);
    }
  };
  const refresh = () => {
    clearTimeout(timer);
    running ??= turn().finally(() => {
      running = undefined;
      clearTimeout(timer);
      timer = setTimeout(() => void refresh(), document.hidden ? Math.max(HIDDEN_MS, everyMs) : everyMs);
    });
    return running;
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void refresh();
  });
  void refresh();
  return { value, fault, atMs, refresh };
}

export type Phase = "loading" | "fresh" | "stale" | "failed";

export function phaseOf({ value, fault }: Pick<Fetched<unknown>, "value" | "fault">): ReadonlySignal<Phase> {
  return computed(() => {
    if (value.value === undefined) return fault.value === undefined ? "loading" : "failed";
    return fault.value === undefined ? "fresh" : "stale";
  });
}
