/** The producers' side of the store's port in memory: what a `takeUp` changes is kept only if its work succeeds. */
import type { StoredVerdict } from "@sekali/contract";
import type { Position } from "../../src/queue/port.ts";
import type { LockedShard, Loss, ShardStore, VerdictQuery } from "../../src/store/port.ts";

interface ShardRow {
  readonly position: Position;
  readonly issuedEpoch: number;
  readonly fence: number;
}

interface IssuedEpoch extends Position {
  readonly shard: number;
}

export class MemoryShardStore implements ShardStore {
  readonly installation = "ours";
  readonly rows = new Map<number, ShardRow>();
  epochs: readonly IssuedEpoch[] = [];
  losses: readonly Loss[] = [];
  countedTopics: readonly string[] = [];
  readonly asked: VerdictQuery[] = [];

  /** Runs before each call; what it throws is what the call fails with. */
  before: (call: "takeUp" | "commit" | "positions" | "verdicts" | "topics") => void | Promise<void> = () => {};
  judge: (query: VerdictQuery) => readonly (StoredVerdict | undefined)[] = ({ identities }) =>
    identities.map(() => "stored" as const);

  row(shard: number): ShardRow {
    return this.rows.get(shard) ?? { position: { epoch: 0, seq: 0 }, issuedEpoch: 0, fence: 0 };
  }

  async takeUp<T>(shard: number, compare: (row: LockedShard) => Promise<T>): Promise<T> {
    await this.before("takeUp");
    const { position, issuedEpoch, fence } = this.row(shard);
    let row: ShardRow = { position, issuedEpoch, fence: fence + 1 };
    let epochs = this.epochs;
    let losses = this.losses;
    const done = await compare({
      position,
      issuedEpoch,
      async issue(epoch, seq) {
        row = { ...row, issuedEpoch: epoch };
        epochs = [...epochs, { shard, epoch, seq }];
      },
      async noteLoss(loss) {
        losses = [...losses, loss];
      },
      async epochsAfter(after) {
        return epochs.filter((each) => each.shard === shard && each.epoch > after);
      },
    });
    await this.before("commit");
    this.rows.set(shard, row);
    this.epochs = epochs;
    this.losses = losses;
    return done;
  }

  async positions(shards: readonly number[]): Promise<ReadonlyMap<number, Position>> {
    await this.before("positions");
    return new Map(shards.map((shard) => [shard, this.row(shard).position]));
  }

  async shards(): Promise<readonly number[]> {
    return [...this.rows.keys()];
  }

  async verdicts(query: VerdictQuery): Promise<readonly (StoredVerdict | undefined)[]> {
    this.asked.push(query);
    await this.before("verdicts");
    return this.judge(query);
  }

  async topics(): Promise<readonly string[]> {
    await this.before("topics");
    return this.countedTopics;
  }
}
