/**
 * Looks at the positions for as long as an episode runs: they only move forward, and in every snapshot each stands
 * exactly where what was committed puts it (unique + duplicate + dead + lost in gaps), so never past committed rows.
 */
import { count, type Database } from "@sekali/aggregator/harness/database";

const POLL_MS = 100;

const STANDINGS = `
  SELECT p.shard, p.epoch, p.seq, coalesce(c.n, 0) + coalesce(g.n, 0) AS accounted
  FROM positions p
  LEFT JOIN (
    SELECT shard, sum(unique_processed + duplicate_dropped + dead_lettered) AS n FROM counters GROUP BY shard
  ) c USING (shard)
  LEFT JOIN (
    SELECT shard, sum(through_seq - after_seq) AS n FROM losses WHERE cause = 'gap' GROUP BY shard
  ) g USING (shard)`;

export interface ShardStanding {
  readonly shard: number;
  readonly epoch: number;
  readonly seq: number;
  /** What the rows and counters of the same snapshot account for. */
  readonly accounted: number;
}

/** What is wrong with a standing that follows another one of the same shard. */
export function standingFaults(before: ShardStanding | undefined, now: ShardStanding): string[] {
  const { shard, epoch, seq, accounted } = now;
  const faults: string[] = [];
  if (seq !== accounted) faults.push(`P3: shard ${shard} stands at ${seq}, accounted for are ${accounted}`);
  if (before !== undefined && (epoch < before.epoch || seq < before.seq)) {
    faults.push(`shard ${shard} went back from ${before.epoch}-${before.seq} to ${epoch}-${seq}`);
  }
  return faults;
}

export class PositionsWatch {
  readonly faults: string[] = [];
  looks = 0;
  readonly #sql: Database;
  readonly #last = new Map<number, ShardStanding>();
  readonly #loop: Promise<void>;
  #stopped = false;

  constructor(sql: Database) {
    this.#sql = sql;
    this.#loop = this.#run();
  }

  /** Postgres is made to go back: the next look has nothing to compare with. To be called while it is away. */
  forget(): void {
    this.#last.clear();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      // While Postgres is away there is nothing to see; the next look compares with the last one that was had.
      await this.#look().catch(() => undefined);
      await Bun.sleep(POLL_MS);
    }
  }

  async #look(): Promise<void> {
    for (const row of await this.#sql.unsafe<Record<string, unknown>[]>(STANDINGS)) {
      const standing: ShardStanding = {
        shard: count(row["shard"]),
        epoch: count(row["epoch"]),
        seq: count(row["seq"]),
        accounted: count(row["accounted"]),
      };
      this.faults.push(...standingFaults(this.#last.get(standing.shard), standing));
      this.#last.set(standing.shard, standing);
    }
    this.looks += 1;
  }
}
