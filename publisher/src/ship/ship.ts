/**
 * `publisher ship`: a log, line by line, into the aggregator, each line once however often it is shipped.
 *
 * Control flow only: an input (`input.ts`, `follow.ts`) hands lines to a taker, which makes events of them
 * (`line-event.ts`, `identity.ts`) and hands these to the sender. Nothing is kept on disk: ids are a function of the
 * content, so a run that was killed is simply started again, and the aggregator drops what it has.
 */
import type { Readable } from "node:stream";
import type { Transport } from "@sekali/client/wire";
import type { Logger } from "../log.ts";
import type { Shutdown } from "../shutdown.ts";
import { followLines } from "./follow.ts";
import { lineNamespace } from "./identity.ts";
import { type InputEnd, type LineTaker, openInput, readFileLines, readStreamLines } from "./input.ts";
import { toLineEvent } from "./line-event.ts";
import type { Line } from "./lines.ts";
import { createProgressBar, noProgress, type Progress } from "./progress.ts";
import { type BatchBounds, Sender } from "./sender.ts";
import type { Tally } from "./tally.ts";
import type { Zone } from "./timestamp.ts";

export type ShipSettings = {
  /** A path, or `-` for the stream that is given. */
  readonly file: string;
  readonly topic: string;
  readonly source: string;
  readonly identity: string;
  readonly zone: Zone;
  readonly follow: boolean;
  readonly batch: Omit<BatchBounds, "lingerMs">;
  readonly lineBytesMax: number;
  readonly flushIntervalMs: number;
  readonly pollIntervalMs: number;
  readonly rotatedIdleMs: number;
};

export type ShipContext = {
  readonly client: Transport;
  readonly log: Logger;
  readonly shutdown: Shutdown;
  readonly stdin: Readable;
  /** Where to draw a progress bar; undefined draws none. */
  readonly terminal: NodeJS.WriteStream | undefined;
  readonly tally: Tally;
};

export type ShipResult = {
  /** The input was read to its end, or followed until the stop. */
  readonly isComplete: boolean;
  /** Why the sender took no more, where it did. */
  readonly halted: string | undefined;
};

/** Rotations within one run whose first lines are remembered. */
const BEGINNINGS_MAX = 1000;

export async function ship(settings: ShipSettings, context: ShipContext): Promise<ShipResult> {
  const { log, tally, shutdown } = context;
  let progress: Progress = noProgress;
  const source = await openSource(settings, context.stdin);
  // A file is there as a whole; a stream can fall silent with half a batch gathered.
  const isLive = source.kind === "stream" || settings.follow;
  const lingerMs = isLive ? settings.flushIntervalMs : undefined;
  const sender = new Sender(
    { ...settings.batch, lingerMs },
    {
      client: context.client,
      log,
      deadline: shutdown.deadline,
      tally,
      onSettled: (events) => progress.advance(sum(events.map((event) => event.fileBytes)), tally),
    },
  );
  const taker = createTaker(settings, sender, log);
  if (source.kind === "file" && !settings.follow && context.terminal !== undefined) {
    progress = createProgressBar(context.terminal, source.sizeBytes);
  }
  try {
    // Also where the input fails midway, what was read is sent.
    const end = await read(source, settings, taker, context).finally(() => sender.finish());
    if (end.pendingBytes > 0)
      log.info({ bytes: end.pendingBytes }, "the last line is not complete: left for the next run");
    return { isComplete: end.isComplete && sender.halt === undefined, halted: sender.halt?.reason };
  } finally {
    progress.stop();
  }
}

function createTaker(settings: ShipSettings, sender: Sender, log: Logger): LineTaker {
  const { topic, source, zone } = settings;
  const namespace = lineNamespace(source, settings.identity);
  const beginnings = new Set<string>();

  /** The price of identity by content is paid here, so it is named here. */
  function reportSharedBeginning(line: Line): void {
    const beginning = Buffer.from(line.digest).toString("hex");
    if (beginnings.has(beginning)) {
      log.warn("this file begins like one before it: the lines in which they agree count as duplicates");
    }
    if (beginnings.size < BEGINNINGS_MAX) beginnings.add(beginning);
  }

  return {
    take: (line, referenceMs) => {
      if (line.number === 1) reportSharedBeginning(line);
      return sender.add(toLineEvent(line, { topic, source, zone, namespace, referenceMs, nowMs: Date.now() }));
    },
    isClosed: () => sender.halt !== undefined,
  };
}

type Source =
  | { readonly kind: "file"; readonly handle: Awaited<ReturnType<typeof openInput>>; readonly sizeBytes: number }
  | { readonly kind: "stream"; readonly stream: Readable };

/** A path may also name a pipe, such as the shell's `<(zcat access.log.2.gz)`. */
async function openSource(settings: ShipSettings, stdin: Readable): Promise<Source> {
  if (settings.file === "-") return { kind: "stream", stream: stdin };
  const handle = await openInput(settings.file);
  const stat = await handle.stat();
  if (stat.isFile()) return { kind: "file", handle, sizeBytes: stat.size };
  return { kind: "stream", stream: handle.createReadStream() };
}

async function read(source: Source, settings: ShipSettings, taker: LineTaker, context: ShipContext): Promise<InputEnd> {
  const { stopping } = context.shutdown;
  const { lineBytesMax, pollIntervalMs, rotatedIdleMs } = settings;
  if (source.kind === "stream") return await readStreamLines(source.stream, lineBytesMax, taker, stopping);
  if (settings.follow) {
    const following = { path: settings.file, lineBytesMax, pollIntervalMs, rotatedIdleMs };
    return await followLines(source.handle, following, taker, context.log, stopping);
  }
  try {
    return await readFileLines(source.handle, lineBytesMax, taker, stopping);
  } finally {
    await source.handle.close();
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
