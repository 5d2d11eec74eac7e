/**
 * Newline-delimited JSON on `POST /publish`: a stream of any length, one event a line.
 *
 * It is taken in chunks, each validated as a whole and queued all or nothing, one on its way while the next is read: so
 * a stream holds a bounded share of memory however long it is, and whoever sends faster than Redis syncs, workers make
 * room in a full queue, or the key's quota allows, is slowed down by TCP. The reply comes at the end, with totals. The
 * first chunk that holds a bad line ends the stream with a 422 that names the lines, and so does one for which there is
 * no room for seconds, with a 503; `accepted` says how many leading lines are queued by then.
 * The sender mends what is wrong and sends everything again: what was queued before is a duplicate (P2).
 *
 * Places are JSON pointers into the stream as if it were an array of its lines: `/3/event_id` is in line 4, and the
 * detail says so. An empty line is a bad line.
 */

import { type Identified, NAMED_ERRORS_MAX, type ProblemPlace, parseEventLine } from "@sekali/contract";
import { ExponentialBackoff, handleType, retry } from "cockatiel";
import type { Caller } from "../access/caller.ts";
import { requireGood } from "../access/end-of-caller.ts";
import { OverQuota } from "../access/token-bucket.ts";
import { type Problem, problemOf, RequestError } from "../problem.ts";
import { Overloaded } from "./batcher.ts";
import { codingFault, inflate, readCodings, STREAM_CODINGS_MAX } from "./content-coding.ts";
import { type AdmittedBatch, type Batch, type Intake, jsonResponse, queuedResponse, tally } from "./intake.ts";
import { type ChunkBounds, chunksOfLines, type LinesChunk, LineTooLong } from "./lines.ts";

/** What the batcher makes an entry of at half its size, so that other requests find room beside it. */
const CHUNK_LINES_MAX = 1000;
const CHUNK_BYTES_MAX = 512 * 1024;

/** Some four seconds in all: workers make room far sooner, unless there are none. */
const patience = retry(handleType(Overloaded), {
  maxAttempts: 12,
  backoff: new ExponentialBackoff({ initialDelay: 20, maxDelay: 500 }),
});

/** Well below what the server takes for silence. */
const QUOTA_WAIT_MS_MAX = 5000;

type Ack = "queued" | "stored";

/** Told of each piece of a body that arrives: the HTTP server gives a whole body a minute, unless it hears of it. */
export type Arrives = (request: Request) => void;

/** @throws RequestError with `accepted`, after which the connection is closed: its rest was not read. */
export async function takeLines(
  request: Request,
  caller: Caller,
  ack: Ack,
  intake: Intake,
  arrives: Arrives,
): Promise<Response> {
  const stream = linesOf(request, arrives);
  const taking = new Taking(intake, caller, ack, () => {
    request.signal.throwIfAborted();
    arrives(request);
  });
  const { bodyBytesMax, batchEventsMax } = intake.limits;
  const bounds: ChunkBounds = {
    linesMax: Math.min(CHUNK_LINES_MAX, batchEventsMax),
    bytesMax: Math.min(CHUNK_BYTES_MAX, bodyBytesMax),
    lineBytesMax: bodyBytesMax,
  };
  try {
    for await (const chunk of chunksOfLines(stream, bounds, codingFault)) await taking.take(chunk);
    await taking.end();
  } catch (error) {
    throw await taking.brokenOff(error instanceof LineTooLong ? tooLong(error, bodyBytesMax) : error);
  }
  return taking.response;
}

function linesOf(request: Request, arrives: Arrives): ReadableStream<Uint8Array> {
  const codings = readCodings(request.headers.get("content-encoding"), STREAM_CODINGS_MAX);
  const body = request.body ?? new Blob([]).stream();
  const nothingIsTooLarge = () => new Error("a stream has no size");
  const heard = new TransformStream<Uint8Array, Uint8Array>({
    transform(piece, controller) {
      arrives(request);
      controller.enqueue(piece);
    },
  });
  return inflate(body.pipeThrough(heard), codings, Number.POSITIVE_INFINITY, nothingIsTooLarge);
}

class Taking {
  readonly #intake: Intake;
  readonly #caller: Caller;
  readonly #ack: Ack;
  readonly #stayOpen: () => void;
  readonly #totals = { unique: 0, duplicates: 0, dead_lettered: 0 };
  #accepted = 0;
  #underWay: Promise<void> = Promise.resolve();

  /** @param stayOpen keeps the connection while nothing is read of it; throws where it has gone. */
  constructor(intake: Intake, caller: Caller, ack: Ack, stayOpen: () => void) {
    this.#stayOpen = stayOpen;
    this.#intake = intake;
    this.#caller = caller;
    this.#ack = ack;
  }

  /** Resolves when the chunk before this one is queued, and this one on its way. */
  async take(chunk: LinesChunk): Promise<void> {
    const parsed = parseChunk(chunk);
    const batch = await this.#whenAffordable(async () =>
      this.#intake.admit(this.#caller, parsed, (index) => `/${chunk.first + index}`),
    );
    await this.#underWay;
    this.#underWay = this.#queue(batch);
    // Whoever waits for it next hears of its failure.
    this.#underWay.catch(() => undefined);
  }

  async end(): Promise<void> {
    await this.#underWay;
  }

  get response(): Response {
    const count = this.#accepted;
    if (this.#ack === "queued") return queuedResponse(count);
    return jsonResponse(JSON.stringify({ status: "stored", count, ...this.#totals }));
  }

  /** The error as the sender sees it, once it is known how much is queued. */
  async brokenOff(error: unknown): Promise<unknown> {
    await this.#underWay.catch(() => undefined);
    const problem = problemOf(error);
    if (problem === undefined) return error;
    const accepted = this.#accepted;
    return new RequestError({
      ...problem,
      detail: `${brokenOffBy(problem)} ${accepted} leading lines are queued; sending all of them again is safe.`,
      accepted,
      headers: { ...problem.headers, connection: "close" },
    });
  }

  /**
   * Waits for the key's quota, instead of breaking off: whoever sends everything again would never get past it.
   * Meanwhile nothing is read, so the sender waits too; a chunk waits for as long as the chunk before it is worth.
   */
  async #whenAffordable<T>(queue: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await queue();
      } catch (error) {
        if (!(error instanceof OverQuota)) throw error;
        this.#stayOpen();
        requireGood(this.#caller);
        await Bun.sleep(Math.min(error.waitMs, QUOTA_WAIT_MS_MAX));
      }
    }
  }

  async #queue(batch: AdmittedBatch): Promise<void> {
    const receipt = await this.#whenAffordable(() => patience.execute(() => this.#intake.queue(batch, "lines")));
    this.#accepted += batch.events.length;
    if (this.#ack === "queued") return;
    const { unique, duplicates, dead_lettered } = tally(await this.#intake.verdicts(receipt, batch.events));
    this.#totals.unique += unique;
    this.#totals.duplicates += duplicates;
    this.#totals.dead_lettered += dead_lettered;
  }
}

/** What is said of a single request ("nothing of it was stored") need not be so of a stream. */
function brokenOffBy({ status, title, detail }: Problem): string {
  return status === 503 ? `The stream broke off: ${title.toLowerCase()}.` : (detail ?? title);
}

/** @throws RequestError 422 naming every place of the chunk, up to the usual number. */
function parseChunk({ first, lines }: LinesChunk): Batch {
  const events: Identified[] = [];
  const texts: string[] = [];
  const errors: ProblemPlace[] = [];
  for (const [offset, line] of lines.entries()) {
    const parsed = parseEventLine(line);
    if (!parsed.ok) errors.push(...placesInLine(first + offset, line, parsed.errors));
    else if (errors.length === 0) {
      events.push(...parsed.events);
      texts.push(parsed.text);
    }
    if (errors.length >= NAMED_ERRORS_MAX) break;
  }
  if (errors.length === 0) return { events, text: texts.join(",") };
  throw new RequestError({
    status: 422,
    name: "unacceptable",
    title: "Lines do not fit the contract",
    detail: "Not every line is an event; the places in the first bad chunk are named.",
    errors: errors.slice(0, NAMED_ERRORS_MAX),
  });
}

function placesInLine(index: number, line: Uint8Array, errors: readonly ProblemPlace[]): ProblemPlace[] {
  const fault = line.length === 0 ? "is empty" : "is not JSON in UTF-8";
  const places = errors.length > 0 ? errors : [{ pointer: "", detail: fault }];
  return places.map(({ pointer, detail }) => ({
    pointer: `/${index}${pointer}`,
    detail: `line ${index + 1}: ${detail}`,
  }));
}

function tooLong({ index }: LineTooLong, bytesMax: number): RequestError {
  return new RequestError({
    status: 413,
    name: "body-too-large",
    title: "Line too long",
    detail: `A line may have at most ${bytesMax} bytes (BODY_BYTES_MAX).`,
    errors: [{ pointer: `/${index}`, detail: `line ${index + 1}: is too long` }],
  });
}
