/** The store as readers of events see it. See `reader-port.ts` for what it promises. */
import { compileTopicPatterns, isWildcard } from "@sekali/contract";
import type { Database, Row } from "./database.ts";
import { pageStatement } from "./page-statement.ts";
import type {
  CountedTopic,
  DroppedDelivery,
  EventFinder,
  EventReader,
  EventsPage,
  EventsQuery,
  FoundEvent,
  TimeSpan,
  TopicReader,
} from "./reader-port.ts";
import countsByTopic from "./sql/counts-by-topic.sql" with { type: "text" };
import findEvent from "./sql/find-event.sql" with { type: "text" };
import timeSpans from "./sql/time-spans.sql" with { type: "text" };

/** A page of `/events` ends with the event that makes it this large. */
const PAGE_BYTES_MAX = 8 * 1024 * 1024;
/** As `render-page.sql` has it: so much as it is stored may be rendered at once. */
const STORED_BYTES_AT_ONCE = 256 * 1024;

/** All UUIDs lie between these two. */
const UUID_LEAST = "00000000-0000-0000-0000-000000000000";
const UUID_GREATEST = "ffffffff-ffff-ffff-ffff-ffffffffffff";

const TOPICS = "SELECT DISTINCT topic FROM counters WHERE topic <> '' ORDER BY topic";

export class PostgresEventReader implements EventReader, EventFinder, TopicReader {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * A page ends early where its payloads grow large: rows are then rendered a few at once until there are enough bytes.
   * Stored sizes are compressed, so a page, or a few rows, that look small are small enough whatever they unpack to.
   */
  async events(query: EventsQuery): Promise<EventsPage> {
    const { limit } = query;
    const oneTopic = oneTopicOf(query.topics);
    const { text, values } = pageStatement(oneTopic === undefined ? "topics" : "topic", query);
    const topics = oneTopic ?? JSON.stringify(await this.#topicsLike(query.topics));
    // One row more than asked for tells whether there is a next page.
    const parameters = (render: boolean) => [topics, ...startOf(query), limit + 1, String(render), ...values];
    let rows = await this.#database.query(text, parameters(false));
    const isLarge = rows.some((row) => row["record"] === null);
    if (isLarge) {
      const rowsAtOnce = Math.max(1, Math.floor(STORED_BYTES_AT_ONCE / (rows[0]?.["stored_bytes_max"] as number)));
      rows = await this.#database.queryUntil(text, parameters(true), rowsAtOnce, hasReachedBytes());
    }
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      rows: page.map((row) => row["record"] as string),
      next: (isLarge || rows.length > limit) && last !== undefined ? toCursor(last) : undefined,
    };
  }

  async find(topic: string, eventId: string, duplicatesMax: number): Promise<FoundEvent | undefined> {
    const [row] = await this.#database.query(findEvent, [eventId, topic, duplicatesMax]);
    if (row === undefined) return undefined;
    return {
      received_at: row["received_at"] as string,
      shard: row["shard"] as number,
      seq: row["seq"] as number,
      fields: (row["fields"] ?? undefined) as string | undefined,
      source: (row["source"] ?? undefined) as string | undefined,
      duplicates: row["duplicates"] as readonly DroppedDelivery[],
    };
  }

  async topics(): Promise<readonly CountedTopic[]> {
    const rows = await this.#database.query(countsByTopic);
    return rows.map((row) => ({
      topic: row["topic"] as string,
      unique_processed: row["unique_processed"] as number,
      duplicate_dropped: row["duplicate_dropped"] as number,
    }));
  }

  async timeSpans(topics: readonly string[]): Promise<ReadonlyMap<string, TimeSpan>> {
    const rows = await this.#database.query(timeSpans, [JSON.stringify(topics)]);
    return new Map(
      rows.map((row) => [
        row["topic"] as string,
        { first_timestamp: row["first_timestamp"] as string, last_timestamp: row["last_timestamp"] as string },
      ]),
    );
  }

  /** Known topics are bounded in number; patterns are matched here, by the one definition of what they mean. */
  async #topicsLike(patterns: readonly string[]): Promise<readonly string[]> {
    const rows = await this.#database.query(TOPICS);
    return rows.map((row) => row["topic"] as string).filter(compileTopicPatterns(patterns));
  }
}

/** Undefined: they name more than one topic, or may. */
function oneTopicOf([first = ">", ...others]: readonly string[]): string | undefined {
  return others.length === 0 && !isWildcard(first) ? first : undefined;
}

/**
 * The place that a walk starts from, itself left out: timestamp, event_id, topic. All topics are greater than "", so
 * the nil UUID with it lies before every event of its timestamp: just there `until` ends the rows, and `since` begins
 * them.
 */
function startOf({ order, since, until, after }: EventsQuery): [string, string, string] {
  if (after !== undefined) return [after.timestamp, after.event_id, after.topic];
  if (order === "asc") return [since ?? "-infinity", UUID_LEAST, ""];
  return until === undefined ? ["infinity", UUID_GREATEST, ""] : [until, UUID_LEAST, ""];
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
