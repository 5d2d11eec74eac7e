/**
 * The queue on Redis streams.
 *
 * A shard k is three keys with the hash tag {k}: `head`, a hash with the installation, the epoch, the run of Redis in
 * which it was issued, the head's seq, and what has been committed; `stream`, whose entry ids are `epoch-seq`; `tail`,
 * the marks by which the stream is trimmed. Everything that changes them is a Lua script, so each change happens whole
 * or not at all.
 *
 * An entry's fields: v format version, n deliveries, b bytes added to the shard so far in this epoch, r deliveries of
 * each request, t milliseconds by Redis's clock, d the events' own JSON text; and c the contexts of traced requests,
 * which older versions neither write nor miss.
 */
import {
  type AddBounds,
  type AddResult,
  type Backlog,
  type Draft,
  type Entry,
  ForeignQueue,
  type Position,
  type Queue,
  QueueAway,
  type ReadResult,
  type ShardState,
} from "./port.ts";
import type { RedisLink, RedisReply } from "./redis-link.ts";
import type { Signal, SignalHub } from "./signal-hub.ts";

const FORMAT_VERSION = "1";

/** The tail that is read again if Postgres goes back: a minute, or so many bytes of a shard. */
const TAIL_MS_MAX = 60_000;
const TAIL_BYTES_MAX = 4 * 1024 * 1024;

interface Trim {
  readonly position: Position;
  readonly bytesIn: number | undefined;
}

interface TrimSlot {
  running: Promise<void> | undefined;
  next: Trim | undefined;
}

export class RedisQueue implements Queue {
  readonly #prefix: string;
  readonly #installation: string;
  readonly #channel: string;
  /**
   * Marks this process's own signals, which its hub has already had, and this installation's: channels are common to
   * all databases of a Redis, so another one with the same prefix may be heard, whose positions say nothing of ours.
   */
  readonly #self: string;
  readonly #trims = new Map<number, TrimSlot>();

  readonly link: RedisLink;

  constructor(link: RedisLink, keyPrefix: string, installation: string) {
    this.link = link;
    this.#prefix = keyPrefix;
    this.#installation = installation;
    this.#self = `${installation}/${crypto.randomUUID().slice(0, 8)}`;
    this.#channel = `${keyPrefix}:signals`;
  }

  /** Passes the signals of other processes on to this one's hub. */
  async listen(hub: SignalHub): Promise<void> {
    await this.link.subscribe(this.#channel, (message) => {
      const signal = this.#parseSignal(message);
      if (signal !== undefined) hub.emit(signal);
    });
  }

  async add(shard: number, epoch: number, draft: Draft, bounds: AddBounds): Promise<AddResult> {
    const reply = await this.link.script("addEntry", [
      this.#key(shard, "head"),
      this.#key(shard, "stream"),
      this.#installation,
      epoch,
      bounds.floorSeq,
      draft.deliveries,
      bounds.eventsMax,
      bounds.bytesMax,
      this.#channel,
      `grown ${shard} ${this.#self}`,
      FORMAT_VERSION,
      encodeRequests(draft.requests),
      draft.text,
      ...(draft.traces === undefined ? [] : [draft.traces]),
    ]);
    const [outcome, detail] = reply as [string, string | undefined];
    if (outcome === "added") return { outcome, seq: Number(detail) };
    if (outcome === "full") return { outcome };
    if (detail === "missing" || detail === "foreign" || detail === "epoch" || detail === "floor") {
      return { outcome: "refused", reason: detail };
    }
    throw new QueueAway(`Redis answered an add with ${JSON.stringify(reply)}`);
  }

  async read(shard: number, after: Position, deliveriesMax: number, bytesMax: number): Promise<ReadResult> {
    const keys = [this.#key(shard, "head"), this.#key(shard, "stream")];
    const reply = await this.link.script("readEntries", [
      ...keys,
      toId(after),
      deliveriesMax,
      bytesMax,
      this.#installation,
    ]);
    const [epoch, seq, entries] = reply as [string | null, string | null, [string, string[]][]];
    if (epoch === "foreign") this.#requireOwn(seq ?? "");
    const head = epoch === null || seq === null ? undefined : { epoch: Number(epoch), seq: Number(seq) };
    return { head, entries: entries.map(([id, fields]) => parseEntry(id, fields)) };
  }

  /** Trims of one shard follow each other; those that come while one is under way become one. */
  trim(shard: number, position: Position, bytesIn: number | undefined): Promise<void> {
    const slot = this.#trims.get(shard) ?? { running: undefined, next: undefined };
    this.#trims.set(shard, slot);
    slot.next = { position, bytesIn };
    slot.running ??= this.#runTrims(shard, slot).finally(() => {
      slot.running = undefined;
    });
    return slot.running;
  }

  async #runTrims(shard: number, slot: TrimSlot): Promise<void> {
    while (slot.next !== undefined) {
      const next = slot.next;
      slot.next = undefined;
      await this.#trimNow(shard, next);
    }
  }

  async #trimNow(shard: number, { position, bytesIn }: Trim): Promise<void> {
    await this.link.script("trimEntries", [
      this.#key(shard, "head"),
      this.#key(shard, "stream"),
      this.#key(shard, "tail"),
      position.epoch,
      position.seq,
      bytesIn ?? "",
      TAIL_MS_MAX,
      TAIL_BYTES_MAX,
      this.#channel,
      `moved ${shard} ${this.#self} ${position.epoch} ${position.seq}`,
      this.#installation,
    ]);
  }

  async heads(shards: readonly number[]): Promise<readonly (Position | undefined)[]> {
    const commands = shards.map((shard) => ["hmget", this.#key(shard, "head"), "epoch", "seq", "installation"]);
    const replies = await this.link.pipeline(commands);
    return replies.map((reply) => {
      const [, , installation] = reply as readonly (string | null)[];
      this.#requireOwn(installation ?? undefined);
      return toPosition(reply);
    });
  }

  backlogs(positions: readonly (readonly [shard: number, position: Position])[]): Promise<readonly Backlog[]> {
    return Promise.all(positions.map(([shard, position]) => this.#backlog(shard, position)));
  }

  async #backlog(shard: number, position: Position): Promise<Backlog> {
    const keys = [this.#key(shard, "head"), this.#key(shard, "stream")];
    const [epoch, seq, age] = (await this.link.script("readBacklog", [...keys, toId(position)])) as (string | null)[];
    const head = toPosition([epoch ?? null, seq ?? null]);
    return { head, oldestMs: typeof age === "string" ? Number(age) : undefined };
  }

  async state(shard: number): Promise<ShardState> {
    const [head, last] = await this.link.pipeline([
      ["hmget", this.#key(shard, "head"), "epoch", "seq", "installation", "run"],
      ["xrevrange", this.#key(shard, "stream"), "+", "-", "COUNT", "1"],
    ]);
    const lastId = (last as [string, string[]][])[0]?.[0];
    const [, , installation, run] = head as (string | null)[];
    return {
      head: toPosition(head ?? null),
      installation: installation ?? undefined,
      restarted: run !== this.link.run,
      lastEntry: lastId === undefined ? undefined : fromId(lastId),
    };
  }

  async begin(
    shard: number,
    seen: ShardState,
    head: Position,
    committedSeq: number,
    installation: string,
  ): Promise<boolean> {
    const reply = await this.link.script("beginEpoch", [
      this.#key(shard, "head"),
      this.#key(shard, "stream"),
      this.#key(shard, "tail"),
      seen.head?.epoch ?? "",
      seen.head?.seq ?? "",
      seen.lastEntry === undefined ? "" : toId(seen.lastEntry),
      installation,
      head.epoch,
      head.seq,
      committedSeq,
      this.link.run,
    ]);
    return reply === 1;
  }

  #requireOwn(installation: string | undefined): void {
    if (installation !== undefined && installation !== this.#installation) {
      throw new ForeignQueue(installation, this.#installation);
    }
  }

  #key(shard: number, part: "head" | "stream" | "tail"): string {
    return `${this.#prefix}:{${shard}}:${part}`;
  }

  #parseSignal(message: string): Signal | undefined {
    const [kind, shardText, from = "", epoch, seq] = message.split(" ");
    const shard = Number(shardText);
    const place = seq === undefined ? undefined : { epoch: Number(epoch), seq: Number(seq) };
    if (from === this.#self || !from.startsWith(`${this.#installation}/`)) return undefined;
    if (!Number.isSafeInteger(shard)) return undefined;
    if (kind === "grown") return { kind, shard, head: place };
    if (kind === "moved" && place !== undefined) return { kind, shard, position: place };
    return undefined;
  }
}

function toId(position: Position): string {
  return `${position.epoch}-${position.seq}`;
}

function fromId(id: string): Position {
  const [epoch, seq] = id.split("-");
  return { epoch: Number(epoch), seq: Number(seq) };
}

function toPosition(reply: RedisReply): Position | undefined {
  const [epoch, seq] = reply as readonly (string | null)[];
  if (typeof epoch !== "string" || typeof seq !== "string") return undefined;
  return { epoch: Number(epoch), seq: Number(seq) };
}

/** Run lengths, because most requests of a flush hold one event: 1,1,1,100 becomes "3x1 1x100". */
function encodeRequests(requests: readonly number[]): string {
  const runs: string[] = [];
  for (let i = 0; i < requests.length; ) {
    let end = i;
    while (end < requests.length && requests[end] === requests[i]) end += 1;
    runs.push(`${end - i}x${requests[i]}`);
    i = end;
  }
  return runs.join(" ");
}

function parseEntry(id: string, fields: readonly string[]): Entry {
  const values = new Map<string, string>();
  for (let i = 0; i + 1 < fields.length; i += 2) values.set(fields[i] ?? "", fields[i + 1] ?? "");
  const deliveries = Number(values.get("n"));
  const text = values.get("d");
  const whole = values.get("v") === FORMAT_VERSION && Number.isSafeInteger(deliveries) && deliveries > 0;
  return {
    position: fromId(id),
    addedAtMs: Number(values.get("t")) || undefined,
    content: whole && text !== undefined ? { deliveries, text, bytesIn: Number(values.get("b")) || 0 } : undefined,
    traces: values.get("c"),
    get raw() {
      return text ?? JSON.stringify(fields);
    },
  };
}
