/** The store as readers and housekeeping see it. */
import type { Position } from "../queue/port.ts";
import type { Database, Row } from "./database.ts";
import type { EventStore, EventsPage, EventsQuery, Recount, StoreKeeping, Tally, TopicCount } from "./port.ts";
import eventsOfAllTopics from "./sql/events-of-all-topics.sql" with { type: "text" };
import eventsOfTopic from "./sql/events-of-topic.sql" with { type: "text" };
import recount from "./sql/recount.sql" with { type: "text" };
import renderPage from "./sql/render-page.sql" with { type: "text" };
import tally from "./sql/tally.sql" with { type: "text" };

const PARTITIONS_AHEAD_DAYS = 7;
const STRAYS = `
  SELECT (SELECT count(*) FROM (SELECT FROM events_default LIMIT 1000) d)
    + (SELECT count(*) FROM (SELECT FROM duplicates_default LIMIT 1000) d) AS n`;
/** A page of `/events` ends with the event that makes it this large. */
const PAGE_BYTES_MAX = 8 * 1024 * 1024;
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
    };
  }

  /**
   * A page ends early where its payloads grow large: rows are then rendered one by one until there are enough bytes.
   * Stored sizes are compressed, so a page that looks small is small enough whatever it unpacks to.
   */
  async events(query: EventsQuery): Promise<EventsPage> {
    const { topic, after, limit } = query;
    const keys = [after?.timestamp ?? null, after?.event_id ?? null];
    const text = `${topic === undefined ? eventsOfAllTopics : eventsOfTopic}${renderPage}`;
    const place = topic === undefined ? [...keys, after?.topic ?? null] : [topic, ...keys];
    // One row more than asked for tells whether there is a next page.
    let rows = await this.#database.query(text, [...place, limit + 1, "false"]);
    const isLarge = rows.some((row) => row["record"] === null);
    if (isLarge) rows = await this.#database.queryUntil(text, [...place, limit + 1, "true"], hasReachedBytes());
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      rows: page.map((row) => row["record"] as string),
      next: (isLarge || rows.length > limit) && last !== undefined ? toCursor(last) : undefined,
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

/** True from the row on with which a page is large enough. */
function hasReachedBytes(): (row: Row) => boolean {
  let bytes = 0;
  return (row) => {
    bytes += (row["record"] as string).length;
    return bytes >= PAGE_BYTES_MAX;
  };
}

function toCursor(row: Row) {
  return {
    timestamp: row["timestamp"] as string,
    event_id: row["event_id"] as string,
    topic: row["topic"] as string,
  };
}
