/**
 * `aggregator tail`: follows a running service from a terminal. A client like any other: it speaks HTTP, and knows
 * nothing of Redis or Postgres.
 *
 * It comes back by itself with the last cursor, at first soon, then at most every five seconds, with full jitter. What
 * it has printed since that cursor comes again then, and is left out. A stream that says nothing for three heartbeats
 * is taken for dead.
 */
import { topicPatternFault } from "@sekali/contract";
import { ExponentialBackoff, fullJitterGenerator, handleType, retry } from "cockatiel";
import { createParser } from "eventsource-parser";

const SILENCE_MS_MAX = 45_000;
const BACKOFF = { generator: fullJitterGenerator, initialDelay: 250, maxDelay: 5000 };
/** The largest event there can be, several times over: a request's body is at most 64 MiB. */
const EVENT_CHARACTERS_MAX = 512 * 1024 * 1024;
const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export interface TailOptions {
  readonly url: string;
  readonly topic: string;
  /** `1h`, `30m`, a time, or `beginning`; undefined: from now on. */
  readonly since: string | undefined;
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

class Unreachable extends Error {}

/** @returns when `stop` is aborted. @throws TailRefused */
export async function tailEvents(options: TailOptions, output: TailOutput, stop: AbortSignal): Promise<void> {
  const address = addressOf(options);
  const progress = new Progress();
  let notedAs = "";
  const connecting = retry(handleType(Unreachable), {
    maxAttempts: Number.MAX_SAFE_INTEGER,
    backoff: new ExponentialBackoff(BACKOFF),
  });
  connecting.onFailure(({ reason }) => {
    const error = "error" in reason ? reason.error : undefined;
    const text = error instanceof Error ? error.message : String(error);
    if (text !== notedAs && !stop.aborted) output.note(`${text}; trying again`);
    notedAs = text;
  });
  while (!stop.aborted) {
    try {
      const response = await connecting.execute(() => connect(address, progress.lastId, stop), stop);
      if (notedAs !== "") output.note("connected again");
      notedAs = "";
      await read(response, output, progress);
    } catch (error) {
      if (stop.aborted) return;
      if (!(error instanceof Unreachable)) throw error;
      output.note(error.message);
      notedAs = error.message;
      // So that a service which ends every stream at once is not asked in a loop.
      await Bun.sleep(Math.random() * BACKOFF.initialDelay);
    }
  }
}

function addressOf({ url, topic, since }: TailOptions): URL {
  const address = URL.parse("/subscribe", url);
  if (address === null) throw new TailRefused(`${url} is no URL`);
  const fault = topicPatternFault(topic);
  if (fault !== undefined) throw new TailRefused(`--topic ${fault}`);
  address.searchParams.set("topic", topic);
  address.searchParams.set("from", readSince(since));
  return address;
}

/** By this machine's clock; arrivals are by that of Postgres. */
function readSince(since: string | undefined): string {
  if (since === undefined) return "now";
  const match = /^(\d{1,6})([smhd])$/.exec(since);
  if (match === null) return since;
  const [, amount, unit = ""] = match;
  return new Date(Date.now() - Number(amount) * (UNITS_MS[unit] ?? 0)).toISOString();
}

async function connect(address: URL, lastId: string, stop: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = lastId === "" ? {} : { "last-event-id": lastId };
  const response = await fetch(address, { headers, signal: stop, keepalive: false }).catch((error: unknown) => {
    throw new Unreachable(`${address.origin} can't be reached (${error instanceof Error ? error.message : error})`);
  });
  if (response.ok) return response;
  const problem = (await response.json().catch(() => ({}))) as { title?: string; detail?: string };
  const text = `${address.origin} answers ${response.status}: ${problem.detail ?? problem.title ?? "no reason given"}`;
  throw response.status === 503 || response.status === 429 ? new Unreachable(text) : new TailRefused(text);
}

/** Reads one stream to its end, which is always a reason to come back. */
async function read(response: Response, output: TailOutput, progress: Progress): Promise<never> {
  const stream = response.body?.[Symbol.asyncIterator]();
  if (stream === undefined) throw new Unreachable("the service answers without a stream");
  let reason = "the stream has ended";
  progress.begin();
  const read: Read[] = [];
  const parser = createParser({
    maxBufferSize: EVENT_CHARACTERS_MAX,
    onId: (id) => read.push({ id }),
    onEvent: ({ event, data }) => {
      if (event === "event") read.push({ record: data });
      else if (event === "end") reason = `the service has ended the stream: ${data}`;
    },
  });
  const decoder = new TextDecoder();
  for (;;) {
    const bytes = await nextBytes(stream);
    if (bytes === undefined) throw new Unreachable(reason);
    parser.feed(decoder.decode(bytes, { stream: true }));
    for (const each of read.splice(0)) {
      if ("id" in each) progress.meet(each.id);
      else if (progress.isNew(each.record)) await output.event(each.record);
      if ("record" in each) progress.note(each.record);
    }
    progress.confirm();
  }
}

/** What a parser has met: an id, followed by the event that carries it, if any; or an event. */
type Read = { readonly id: string } | { readonly record: string };

/** Which cursor to come back with, and what has been printed beyond it. */
class Progress {
  lastId = "";
  #met: string | undefined;
  /** Printed since the last cursor: a chunk at most. */
  #beyond = new Set<string>();
  /** The same of the connection before. */
  #printed: ReadonlySet<string> = new Set();

  begin(): void {
    this.#met = undefined;
    this.#printed = new Set([...this.#printed, ...this.#beyond]);
    this.#beyond = new Set();
  }

  /** An id counts when the event that carries it has been printed. */
  meet(id: string): void {
    this.confirm();
    this.#met = id;
  }

  isNew(record: string): boolean {
    return !this.#printed.has(record);
  }

  note(record: string): void {
    this.#beyond.add(record);
    this.confirm();
  }

  confirm(): void {
    if (this.#met === undefined) return;
    const isFurther = this.#met !== this.lastId;
    this.lastId = this.#met;
    this.#met = undefined;
    // The first id of a connection is the one that it began with: what was printed beyond it may still come.
    if (!isFurther) return;
    this.#beyond = new Set();
    this.#printed = new Set();
  }
}

async function nextBytes(stream: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
  const silence = Promise.withResolvers<never>();
  const timer = setTimeout(() => silence.reject(new Unreachable("nothing was heard for too long")), SILENCE_MS_MAX);
  try {
    const { done, value } = await Promise.race([stream.next(), silence.promise]);
    return done ? undefined : value;
  } catch (error) {
    void stream.return?.().catch(() => undefined);
    throw error instanceof Unreachable ? error : new Unreachable("the connection is broken");
  } finally {
    clearTimeout(timer);
  }
}
