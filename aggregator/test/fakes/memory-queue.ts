/**
 * The queue's port in memory, with the rules of the Lua scripts: what is refused there is refused here. A test may let
 * any operation fail or wait, and may put a shard into any state that Redis could come back in.
 */
import {
  type AddBounds,
  type AddResult,
  type Backlog,
  type Draft,
  type Entry,
  isAfter,
  type Link,
  type LinkState,
  type Position,
  type Queue,
  type ReadResult,
  type ShardState,
} from "../../src/queue/port.ts";

export class MemoryLink implements Link {
  state: LinkState = "up";
  durabilityWarnings: readonly string[] = [];
  readonly #listeners: ((state: LinkState) => void)[] = [];

  onChange(listener: (state: LinkState) => void): void {
    this.#listeners.push(listener);
  }

  /** How often another connection to read from was asked for. */
  readsAnew = 0;

  readAnew(): void {
    this.readsAnew += 1;
  }

  become(state: LinkState): void {
    this.state = state;
    for (const listener of this.#listeners) listener(state);
  }
}

export interface MemoryShard {
  installation: string | undefined;
  head: Position | undefined;
  committedSeq: number;
  entries: Entry[];
  /** The queue has been started anew since the epoch was issued. */
  restarted?: boolean;
}

export interface Added {
  readonly shard: number;
  readonly epoch: number;
  readonly draft: Draft;
  readonly bounds: AddBounds;
}

type Operation = "add" | "read" | "trim" | "heads" | "backlogs" | "state" | "begin";

export class MemoryQueue implements Queue {
  readonly link = new MemoryLink();
  readonly adds: Added[] = [];
  readonly reads: { readonly shard: number; readonly after: Position; readonly deliveriesMax: number }[] = [];
  readonly #shards = new Map<number, MemoryShard>();

  /** Runs before each operation; what it throws is what the operation fails with. */
  before: (operation: Operation, shard: number) => void | Promise<void> = () => {};

  shard(shard: number): MemoryShard {
    let found = this.#shards.get(shard);
    if (found === undefined) {
      found = { installation: undefined, head: undefined, committedSeq: 0, entries: [] };
      this.#shards.set(shard, found);
    }
    return found;
  }

  /** As FLUSHALL does. */
  lose(shard: number): void {
    this.#shards.delete(shard);
  }

  async add(shard: number, epoch: number, draft: Draft, bounds: AddBounds): Promise<AddResult> {
    this.adds.push({ shard, epoch, draft, bounds });
    await this.before("add", shard);
    const { head, committedSeq, entries } = this.shard(shard);
    if (head === undefined) return { outcome: "refused", reason: "missing" };
    if (head.epoch !== epoch) return { outcome: "refused", reason: "epoch" };
    if (head.seq < bounds.floorSeq) return { outcome: "refused", reason: "floor" };
    const seq = head.seq + draft.deliveries;
    if (seq - committedSeq > bounds.eventsMax) return { outcome: "full" };
    entries.push(entry({ epoch, seq }, draft.deliveries, draft.text));
    this.shard(shard).head = { epoch, seq };
    return { outcome: "added", seq };
  }

  async read(shard: number, after: Position, deliveriesMax: number): Promise<ReadResult> {
    this.reads.push({ shard, after, deliveriesMax });
    await this.before("read", shard);
    const { head, entries } = this.shard(shard);
    const found: Entry[] = [];
    let left = deliveriesMax;
    for (const each of entries.filter(({ position }) => isAfter(position, after))) {
      left -= each.content?.deliveries ?? 0;
      if (found.length > 0 && left < 0) break;
      found.push(each);
    }
    return { entries: found, head };
  }

  async trim(shard: number, position: Position): Promise<void> {
    await this.before("trim", shard);
    this.shard(shard).committedSeq = position.seq;
  }

  async heads(shards: readonly number[]): Promise<readonly (Position | undefined)[]> {
    await this.before("heads", -1);
    return shards.map((shard) => this.shard(shard).head);
  }

  async backlogs(positions: readonly (readonly [shard: number, position: Position])[]): Promise<readonly Backlog[]> {
    await this.before("backlogs", -1);
    return positions.map(([shard, position]) => {
      const { head, entries } = this.shard(shard);
      const first = entries.find((each) => isAfter(each.position, position));
      return { head, oldestMs: first?.addedAtMs === undefined ? undefined : Date.now() - first.addedAtMs };
    });
  }

  async state(shard: number): Promise<ShardState> {
    await this.before("state", shard);
    const { installation, head, entries, restarted = false } = this.shard(shard);
    return { installation, head, restarted, lastEntry: entries.at(-1)?.position };
  }

  async begin(shard: number, seen: ShardState, head: Position, committedSeq: number, installation: string) {
    await this.before("begin", shard);
    const now = this.shard(shard);
    if (!isSame(now.head, seen.head) || !isSame(now.entries.at(-1)?.position, seen.lastEntry)) return false;
    Object.assign(now, { installation, head, committedSeq, restarted: false });
    return true;
  }
}

function isSame(a: Position | undefined, b: Position | undefined): boolean {
  return a?.epoch === b?.epoch && a?.seq === b?.seq;
}

export function entry(position: Position, deliveries: number, text = fill(deliveries)): Entry {
  return { position, addedAtMs: 1_700_000_000_000, content: { deliveries, text, bytesIn: text.length }, raw: text };
}

/** An entry of a format that this version does not know. */
export function unknownEntry(position: Position, raw: string): Entry {
  return { position, addedAtMs: undefined, content: undefined, raw };
}

/** The text of so many deliveries. */
function fill(deliveries: number): string {
  return Array.from({ length: deliveries }, () => "{}").join(",");
}
