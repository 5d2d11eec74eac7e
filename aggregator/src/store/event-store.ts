/** The store as those who count and keep house see it. */
import type { Position } from "../queue/port.ts";
import type { Database, Row } from "./database.ts";
import type { EventStore, Recount, StoreKeeping, Tally, TopicCount } from "./port.ts";
import recount from "./sql/recount.sql" with { type: "text" };
import tally from "./sql/tally.sql" with { type: "text" };

const PARTITIONS_AHEAD_DAYS = 7;
const STRAYS = `
  SELECT (SELECT count(*) FROM (SELECT FROM events_default LIMIT 1000) d)
    + (SELECT count(*) FROM (SELECT FROM duplicates_default LIMIT 1000) d) AS n`;
/** A recount reads every row; it is asked for by a person, who may wait. */
const RECOUNT_TIMEOUT_MS = 30 * 60_000;

export class PostgresEventStore implements EventStore, StoreKeeping {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async tally(): Promise<Tally> {
    const [row] = await this.#database.query(tally);
    const topics = (row?.["topics"] ?? []) as readonly ({ topic: string } & TopicCount)[];
    const positions = (row?.["positions"] ?? []) as readonly ({ shard: number } & Position)[];
    return {
      topics: new Map(topics.map(({ topic, ...count }) => [topic, count])),
      positions: new Map(positions.map(({ shard, ...position }) => [shard, position])),
      lost: row?.["lost"] as number,
      deadOpen: row?.["dead_open"] as number,
    };
  }

  async ping(): Promise<void> {
    await this.#database.query("SELECT 1", [], 1500);
  }

  async keepPartitions(retentionDays: number | undefined): Promise<{ made: number; dropped: number }> {
    const byDay = retentionDays !== undefined;
    const [made] = await this.#database.query(`SELECT make_partitions(${byDay}, ${PARTITIONS_AHEAD_DAYS}) AS n`);
    return { made: made?.["n"] as number, dropped: byDay ? await this.#dropExpired(retentionDays) : 0 };
  }

  /** Followers must learn that events are gone in the moment in which they are. */
  async #dropExpired(retentionDays: number): Promise<number> {
    return await this.#database.transaction(async (tx) => {
      await tx`SELECT note_horizons(${retentionDays})`;
      const [dropped] = await tx`SELECT drop_expired_partitions(${retentionDays}) AS n`;
      return dropped?.["n"] as number;
    });
  }

  async countStrays(): Promise<number> {
    const [row] = await this.#database.query(STRAYS);
    return row?.["n"] as number;
  }

  async recount(): Promise<Recount> {
    const row = await this.#database.transaction(async (tx) => {
      await tx.unsafe(`SET LOCAL statement_timeout = ${RECOUNT_TIMEOUT_MS}`);
      const [counted] = await tx.unsafe<Row[]>(recount);
      return counted;
    }, RECOUNT_TIMEOUT_MS);
    if (row === undefined) throw new Error("a recount answered nothing");
    type ShardRow = { shard: number; issued_epoch: number; counted: number; lost_in_gaps: number } & Position;
    return {
      identities: row["identities"] as number,
      events: row["events"] as number,
      strayEvents: row["strays"] as number,
      deadLetters: row["dead_letters"] as number,
      deadResolved: row["dead_resolved"] as Recount["deadResolved"],
      audited: row["audited"] as Recount["audited"],
      counted: row["counted"] as TopicCount,
      shards: (row["shards"] as readonly ShardRow[]).map((shard) => ({
        shard: shard.shard,
        position: { epoch: shard.epoch, seq: shard.seq },
        issuedEpoch: shard.issued_epoch,
        counted: shard.counted,
        lostInGaps: shard.lost_in_gaps,
      })),
    };
  }
}
