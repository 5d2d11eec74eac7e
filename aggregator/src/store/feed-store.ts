/** The store as followers see it. `sql/read-feed.sql` says why a page has no gaps. */
import type { Database, Row } from "./database.ts";
import type { Cursor, FeedEvent, FeedPage, FeedQuery, FeedStanding, FeedStore } from "./feed-port.ts";
import feedStanding from "./sql/feed-standing.sql" with { type: "text" };
import readFeed from "./sql/read-feed.sql" with { type: "text" };
import { topicsRegex } from "./topic-regex.ts";

/** Rows that one page looks at in a shard, whether their topics match or not: some ten milliseconds. */
const WINDOW_SEQS = 5_000;
/** As stored, so compressed; what is rendered of it stays within some megabytes for any usual payload. */
const PAGE_BYTES_MAX = 512 * 1024;

export class PostgresFeedStore implements FeedStore {
  readonly #database: Database;
  readonly installation: string;
  #shards = 1;

  constructor(database: Database, installation: string) {
    this.#database = database;
    this.installation = installation;
  }

  async read({ after, topics, rowsMax }: FeedQuery): Promise<FeedPage> {
    const rows = await this.#database.query(readFeed, [
      JSON.stringify(Object.fromEntries(after)),
      topics.includes(">") ? null : topicsRegex(topics),
      Math.ceil(rowsMax / this.#shards),
      WINDOW_SEQS,
      PAGE_BYTES_MAX,
    ]);
    const events: FeedEvent[] = [];
    const reached = new Map<number, number>();
    let isCaughtUp = true;
    let isExpired = false;
    for (const row of rows) {
      const { shard, seq } = row as { shard: number; seq: number };
      if (row["record"] !== null) {
        events.push({ shard, seq, topic: row["topic"] as string, record: row["record"] as string });
        continue;
      }
      if (seq > 0) reached.set(shard, seq);
      if (seq < (row["position"] as number)) isCaughtUp = false;
      if ((row["after"] as number) < (row["horizon"] as number)) isExpired = true;
    }
    this.#shards = Math.max(1, rows.length - events.length);
    return { events, reached, isCaughtUp, isExpired };
  }

  async standing(): Promise<readonly FeedStanding[]> {
    const rows = await this.#database.query(feedStanding, [null]);
    return rows.map(toStanding);
  }

  async before(arrival: string): Promise<Cursor> {
    const rows = await this.#database.query(feedStanding, [arrival]);
    return new Map(rows.map((row) => [row["shard"] as number, row["before_arrival"] as number]));
  }
}

function toStanding(row: Row): FeedStanding {
  return {
    shard: row["shard"] as number,
    position: row["position"] as number,
    horizon: row["horizon"] as number,
  };
}
