/**
 * A schema of a test's own in the shared Postgres, with the stores over it: the real ones, on connections as the
 * service makes them. Beside them a tester's own way in, to look and to lock.
 *
 *     await using schema = await openSchema();
 */
import { PostgresAuditStore } from "../../src/store/audit-store.ts";
import { PostgresBatchStore } from "../../src/store/batch-store.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresEventReader } from "../../src/store/event-reader.ts";
import { PostgresEventStore } from "../../src/store/event-store.ts";
import { migrate, readInstallation } from "../../src/store/migrations.ts";
import type { DeadLetter, Naming, Standing, StoredBatch } from "../../src/store/port.ts";
import type { EventsPage, EventsQuery } from "../../src/store/reader-port.ts";
import { PostgresShardStore } from "../../src/store/shard-store.ts";
import { backingServers } from "../harness/backing-servers.ts";
import { openDatabase, type Database as Tester } from "../harness/database.ts";
import type { TestEvent } from "../harness/event-factory.ts";

const CONNECTIONS = 4;
const NOTHING_NAMED: Naming = { dropped: 0, kept: 0, conflicting: 0 };

/** The query that asks for nothing in particular. */
export const EVERYTHING: EventsQuery = {
  topics: [">"],
  source: undefined,
  since: undefined,
  until: undefined,
  contains: [],
  text: undefined,
  order: "desc",
  limit: 1000,
  after: undefined,
};

/** Every table whose content a batch may change. */
const TABLES = [
  "identities",
  "events",
  "duplicates",
  "counters",
  "positions",
  "dead_letters",
  "losses",
  "epochs",
] as const;

let opened = 0;

export class Schema {
  readonly name: string;
  readonly url: string;
  readonly sql: Tester;
  readonly database: Database;
  readonly batches: PostgresBatchStore;
  readonly events: PostgresEventStore;
  readonly audit: PostgresAuditStore;
  readonly reader: PostgresEventReader;

  constructor(name: string, url: string) {
    this.name = name;
    this.url = url;
    this.sql = openDatabase({ url, schema: name });
    this.database = this.connect();
    this.batches = new PostgresBatchStore(this.database);
    this.events = new PostgresEventStore(this.database);
    this.audit = new PostgresAuditStore(this.database);
    this.reader = new PostgresEventReader(this.database);
  }

  /** Connections as the service makes them, for the schema's owner or for another role. */
  connect(url = this.url, connectionsMax = CONNECTIONS): Database {
    return new Database({ url, schema: this.name, name: "test", connectionsMax });
  }

  async shards(): Promise<PostgresShardStore> {
    return new PostgresShardStore(this.database, await readInstallation(this.database));
  }

  /** A page of all events, newest first, but for what is asked for. */
  async page(asked: Partial<EventsQuery>): Promise<EventsPage> {
    return await this.reader.events({ ...EVERYTHING, ...asked });
  }

  /** Makes a shard known, as the first process that takes it up does. */
  async takeUp(shard: number): Promise<Standing> {
    await (await this.shards()).takeUp(shard, async () => undefined);
    return await this.standing(shard);
  }

  async standing(shard: number): Promise<Standing> {
    const standing = await this.batches.standing(shard);
    if (standing === undefined) throw new Error(`shard ${shard} has no position`);
    return standing;
  }

  /** Stores deliveries, the events themselves or their JSON text, where the shard stands now. */
  async deliver(
    shard: number,
    deliveries: readonly (TestEvent | string)[],
    over: { naming?: Naming; announced?: number; from?: Standing; deadLetters?: readonly DeadLetter[] } = {},
  ): Promise<StoredBatch | undefined> {
    const from = over.from ?? (await this.standing(shard));
    const announced = over.announced ?? deliveries.length;
    const dead = (over.deadLetters ?? []).reduce((total, letter) => total + letter.deliveries, 0);
    return await this.batches.storeBatch(
      {
        shard,
        from,
        to: { epoch: from.epoch, seq: from.seq + announced + dead },
        text: deliveries.map((each) => (typeof each === "string" ? each : JSON.stringify(each))).join(","),
        deliveries: announced,
        seqs: undefined,
        deadLetters: over.deadLetters ?? [],
      },
      over.naming ?? NOTHING_NAMED,
    );
  }

  /** Keeps what a statement locks until it is let go, in a transaction that is then rolled back. */
  async hold(statement: string): Promise<AsyncDisposable> {
    const connection = await this.sql.reserve();
    await connection.unsafe("BEGIN");
    await connection.unsafe(statement);
    let held = true;
    return {
      async [Symbol.asyncDispose]() {
        if (!held) return;
        held = false;
        await connection.unsafe("ROLLBACK");
        connection.release();
      },
    };
  }

  /** Everything that a batch may change, to be compared: what has changed nothing leaves it equal. */
  async content(): Promise<Record<string, unknown>> {
    const tables = await Promise.all(
      TABLES.map(async (table) => {
        const rows = await this.sql.unsafe(`SELECT to_json(t) AS row FROM ${table} t ORDER BY to_json(t)::text`);
        return [table, rows.map((row) => row["row"])] as const;
      }),
    );
    return Object.fromEntries(tables);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.database.close(1);
    await this.sql.unsafe(`DROP SCHEMA IF EXISTS "${this.name}" CASCADE`);
    await this.sql.end({ timeout: 1 });
  }
}

/** A schema that is not there yet. */
export async function nameSchema(): Promise<Schema> {
  const { postgres } = await backingServers();
  opened += 1;
  return new Schema(`store_${process.pid}_${opened}`, postgres.url);
}

/** A schema as the service finds it: migrated, with partitions. */
export async function openSchema(): Promise<Schema> {
  const schema = await nameSchema();
  await migrate(schema.database, schema.name);
  await schema.events.keepPartitions(undefined);
  await schema.audit.makeAuditPartitions(30);
  return schema;
}
