/**
 * `aggregator tail`: follows a running service from a terminal. A client like any other: it speaks HTTP, through the
 * client library, and knows nothing of Redis or Postgres.
 */
import { SubscriptionError, subscribe } from "@sekali/client";
import { topicPatternFault } from "@sekali/contract";
import { startOf } from "./start.ts";

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export interface TailOptions {
  readonly url: string;
  readonly topic: string;
  /** `1h`, `30m`, a time, or `beginning`; undefined: from now on. */
  readonly since: string | undefined;
  readonly key: string | undefined;
}

export interface TailOutput {
  /** Resolves when there is room for more. */
  event(record: string): Promise<void>;
  note(text: string): void;
}

/** The service refuses for good: other arguments are needed. */
export class TailRefused extends Error {
  override readonly name = "TailRefused";
}

/** @returns when `stop` is aborted. @throws TailRefused */
export async function tailEvents(options: TailOptions, output: TailOutput, stop: AbortSignal): Promise<void> {
  const { url, topic, key } = options;
  if (!URL.canParse(url) || !/^https?:/i.test(url)) throw new TailRefused(`${url} is no http(s) URL`);
  const fault = topicPatternFault(topic);
  if (fault !== undefined) throw new TailRefused(`--topic ${fault}`);
  const notes = new Notes(output);
  const following = { url, topic, key, from: readSince(options.since), signal: stop };
  try {
    for await (const { text } of subscribe({ ...following, ...notes.callbacks })) await output.event(text);
  } catch (error) {
    if (!(error instanceof SubscriptionError)) throw error;
    throw new TailRefused(`${new URL(url).origin} answers ${error.message}`);
  }
}

/** Says once why there is no connection, and once that there is one again. */
class Notes {
  readonly #output: TailOutput;
  #notedAs = "";

  constructor(output: TailOutput) {
    this.#output = output;
  }

  readonly callbacks = {
    onConnected: (): void => {
      if (this.#notedAs !== "") this.#output.note("connected again");
      this.#notedAs = "";
    },
    onDisconnected: ({ reason }: { readonly reason: string }): void => {
      if (reason !== this.#notedAs) this.#output.note(`${reason}; trying again`);
      this.#notedAs = reason;
    },
  };
}

/** By this machine's clock; arrivals are by that of Postgres. */
function readSince(since: string | undefined): string {
  if (since === undefined) return "now";
  const match = /^(\d{1,6})([smhd])$/.exec(since);
  if (match === null) {
    if (startOf(since) !== undefined) return since;
    throw new TailRefused("--since takes 30s, 15m, 1h or 2d, a time such as 2026-01-31T12:00:00Z, or beginning");
  }
  const [, amount, unit = ""] = match;
  return new Date(Date.now() - Number(amount) * (UNITS_MS[unit] ?? 0)).toISOString();
}
