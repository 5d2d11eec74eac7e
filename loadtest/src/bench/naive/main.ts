/**
 * The design that most people write first, with the same libraries: a route that pushes onto a Redis list, five
 * consumers that pop, and a transaction an event that inserts and counts. It answers the same two routes, so that
 * the same generator and the same stop-watch measure it.
 *
 * It is no worse than it has to be: a connection for each consumer, prepared statements, one push for a batch, and
 * a counter row for each consumer, so that they do not wait for each other's commits. A crash between pop and
 * commit loses the event, which is why it is here only to be measured.
 */
import { Elysia, t } from "elysia";
import { Redis } from "ioredis";
import postgres from "postgres";

const [port, redisUrl, postgresUrl] = process.argv.slice(2);
if (port === undefined || redisUrl === undefined || postgresUrl === undefined) {
  throw new Error("usage: naive/main.ts PORT REDIS_URL POSTGRES_URL");
}

const CONSUMERS = 5;
const LIST = "naive:events";

const Event = t.Object({
  topic: t.String({ minLength: 1, maxLength: 255 }),
  event_id: t.String({ format: "uuid" }),
  timestamp: t.String({ format: "date-time" }),
  source: t.String({ minLength: 1, maxLength: 255 }),
  payload: t.Record(t.String(), t.Unknown()),
});
type Event = typeof Event.static;

const sql = postgres(postgresUrl, { max: CONSUMERS, onnotice: () => {} });
const redis = new Redis(redisUrl);

async function prepareTables(): Promise<void> {
  await sql.unsafe(`
    DROP TABLE IF EXISTS naive_events, naive_counters;
    CREATE TABLE naive_events (
      topic text NOT NULL,
      event_id uuid NOT NULL,
      "timestamp" timestamptz NOT NULL,
      source text NOT NULL,
      payload jsonb NOT NULL,
      received_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (event_id, topic)
    );
    CREATE TABLE naive_counters (
      consumer integer PRIMARY KEY,
      unique_processed bigint NOT NULL,
      duplicate_dropped bigint NOT NULL
    );
    INSERT INTO naive_counters SELECT n, 0, 0 FROM generate_series(1, ${CONSUMERS}) n`);
  await redis.del(LIST);
}

async function store(event: Event, consumer: number): Promise<void> {
  await sql.begin(async (tx) => {
    const payload = tx.json(event.payload as postgres.JSONValue);
    const inserted = await tx`
      INSERT INTO naive_events (topic, event_id, "timestamp", source, payload)
      VALUES (${event.topic}, ${event.event_id}, ${event.timestamp}, ${event.source}, ${payload})
      ON CONFLICT DO NOTHING`;
    const unique = inserted.count;
    await tx`
      UPDATE naive_counters
         SET unique_processed = unique_processed + ${unique}, duplicate_dropped = duplicate_dropped + ${1 - unique}
       WHERE consumer = ${consumer}`;
  });
}

async function consume(consumer: number): Promise<never> {
  const own = new Redis(redisUrl as string);
  for (;;) {
    const popped = await own.blpop(LIST, 5);
    if (popped !== null) {
      await store(JSON.parse(popped[1]) as Event, consumer);
    }
  }
}

async function publish(events: readonly Event[]): Promise<{ status: string; count: number }> {
  await redis.rpush(LIST, ...events.map((event) => JSON.stringify(event)));
  return { status: "queued", count: events.length };
}

async function stats(): Promise<Record<string, number>> {
  const [counted] = await sql`
    SELECT sum(unique_processed)::int AS unique_processed, sum(duplicate_dropped)::int AS duplicate_dropped
      FROM naive_counters`;
  return {
    unique_processed: counted?.["unique_processed"],
    duplicate_dropped: counted?.["duplicate_dropped"],
    queued: await redis.llen(LIST),
  };
}

await prepareTables();
for (let consumer = 1; consumer <= CONSUMERS; consumer += 1) {
  void consume(consumer);
}
new Elysia()
  .post("/publish", ({ body }) => publish(Array.isArray(body) ? body : [body]), {
    parse: "json",
    body: t.Union([Event, t.Array(Event)]),
  })
  .get("/stats", stats)
  .listen({ port: Number(port), hostname: "127.0.0.1" });
