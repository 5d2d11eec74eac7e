/** What is broken, one promise at a time, and what must notice it. */
import type { Edit, Mutation } from "./mutation.ts";

const BATCH_SQL = "aggregator/src/store/sql/store-batch.sql";
const BATCH_STORE = "aggregator/src/store/batch-store.ts";
const KEEPER = "aggregator/src/ingest/shard-keeper.ts";
const QUEUE = "aggregator/src/queue/redis-queue.ts";
const LINK = "aggregator/src/queue/redis-link.ts";

const edit = (path: string, find: string, replace: string): Edit => ({ path, find, replace });

const FIRST_PARAMETERS = `const [row] = await this.#database.query(storeBatch, [
      batch.shard,
      batch.from.epoch,
      batch.from.seq,`;

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "position-before-rows",
    title: "the position is committed before the rows",
    promise: "P1",
    edits: [
      edit(BATCH_STORE, "async storeBatch(batch: Batch,", "async storeBatch(given: Batch,"),
      edit(
        BATCH_STORE,
        FIRST_PARAMETERS,
        `const { from, to } = given;
    const moved = await this.#database.query(
      \`UPDATE positions SET epoch = $5, seq = $6
       WHERE shard = $1 AND epoch = $2 AND seq = $3 AND fence = $4 RETURNING 1\`,
      [given.shard, from.epoch, from.seq, from.fence, to.epoch, to.seq],
    );
    if (moved.length === 0) return undefined;
    const own = Array.from({ length: given.deliveries }, (_, index) => from.seq + 1 + index);
    const batch = { ...given, seqs: given.seqs ?? own };
    const [row] = await this.#database.query(storeBatch, [
      batch.shard,
      batch.to.epoch,
      batch.to.seq,`,
      ),
    ],
    evidence: { faults: ["aggregator-kill"], injections: 24 },
  },
  {
    name: "no-unique-constraint",
    title: "the unique constraint of identities is dropped",
    promise: "P2",
    edits: [
      edit("aggregator/migrations/0001-once.sql", "  CONSTRAINT identities_once PRIMARY KEY (event_id, topic),\n", ""),
    ],
    evidence: { faults: ["lost-enqueue-reply"], injections: 4 },
  },
  {
    name: "counters-apart",
    title: "counters are written after the transaction that stores the rows",
    promise: "P3",
    edits: [
      edit(
        BATCH_SQL,
        "j.topic, count(*) FILTER (WHERE j.kept), count(*) FILTER (WHERE NOT j.kept),\n",
        "j.topic, 0, 0,\n",
      ),
      edit(BATCH_SQL, "    count(*) FILTER (WHERE j.conflict), 0\n", "    0, 0\n"),
      edit(
        BATCH_SQL,
        "  (SELECT count(*) FROM moved)::int AS moved,\n",
        `  (SELECT count(*) FROM moved)::int AS moved,
  (SELECT json_agg(t) FROM (
    SELECT j.topic, count(*) FILTER (WHERE j.kept) AS kept, count(*) FILTER (WHERE NOT j.kept) AS dropped,
      count(*) FILTER (WHERE j.conflict) AS conflicts
    FROM (
      SELECT topic, true AS kept, false AS conflict FROM fresh UNION ALL SELECT topic, false, conflict FROM dropped
    ) j GROUP BY j.topic
  ) t) AS counts,
`,
      ),
      edit(
        BATCH_STORE,
        'const unique = row["unique_processed"] as number;',
        `const unique = row["unique_processed"] as number;
    const counts = (row["counts"] ?? []) as { topic: string; kept: number; dropped: number; conflicts: number }[];
    for (const { topic, kept, dropped, conflicts } of counts) {
      await this.#database.query(
        \`UPDATE counters SET unique_processed = unique_processed + $3,
           duplicate_dropped = duplicate_dropped + $4, conflicts = conflicts + $5
         WHERE shard = $1 AND topic = $2\`,
        [batch.shard, topic, kept, dropped, conflicts],
      );
    }`,
      ),
    ],
    evidence: { faults: ["aggregator-kill"], injections: 8 },
  },
  {
    name: "no-lock",
    title: "the position is compared, but not locked",
    promise: "P3",
    edits: [edit(BATCH_SQL, "  FOR UPDATE SKIP LOCKED\n", "")],
    evidence: { faults: ["postgres-pause", "aggregator-kill"], injections: 8 },
  },
  {
    name: "no-compare",
    title: "the position is locked, but not compared",
    promise: "P3",
    edits: [
      edit(
        BATCH_SQL,
        "WHERE p.shard = $1 AND p.epoch = $2 AND p.seq = $3 AND p.fence = $4",
        "WHERE p.shard = $1 AND ($2::bigint, $3::bigint, $4::bigint) IS NOT NULL",
      ),
    ],
    evidence: { faults: ["lost-commit-reply", "aggregator-kill"], injections: 8 },
  },
  {
    name: "no-fence",
    title: "a batch that was read before a shard was taken up may be committed after it",
    promise: "P3",
    edits: [edit(BATCH_SQL, "AND p.seq = $3 AND p.fence = $4", "AND p.seq = $3 AND $4::bigint IS NOT NULL")],
    evidence: { path: "aggregator/test/store/store-batch.test.ts", test: "changes nothing" },
  },
  {
    name: "unsorted",
    title: "identities go in unsorted, so that batches wait for each other in a circle",
    promise: "P2",
    edits: [edit(BATCH_SQL, "FROM first f ORDER BY f.event_id, f.topic", "FROM first f ORDER BY f.ord")],
    evidence: { path: "aggregator/test/store/store-batch.test.ts", test: "none waits for ever" },
  },
  {
    name: "last-of-a-batch",
    title: "of deliveries of one event in one batch the last is kept",
    promise: "P2",
    edits: [edit(BATCH_SQL, "ORDER BY event_id, topic, ord\n", "ORDER BY event_id, topic, ord DESC\n")],
    evidence: { path: "aggregator/test/store/store-batch.test.ts", test: "in one batch the first wins" },
  },
  {
    name: "client-resends",
    title: "the Redis client sends again what had no reply when its connection broke",
    promise: "P3",
    edits: [
      edit(LINK, "autoResendUnfulfilledCommands: false", "autoResendUnfulfilledCommands: true"),
      edit(LINK, "maxRetriesPerRequest: 0", "maxRetriesPerRequest: null"),
    ],
    evidence: { faults: ["lost-enqueue-reply"], injections: 12 },
  },
  {
    name: "answer-before-redis",
    title: "a publish is answered when its entry is sent, not when Redis has it",
    promise: "P1",
    edits: [
      edit(
        "aggregator/src/ingest/publish-route.ts",
        '    const receipt = await this.#intake.queue(body, "json");\n',
        `    const adding = this.#intake.queue(body, "json");
    adding.catch(() => undefined);
    if (ack === "queued") return queuedResponse(body.events.length);
    const receipt = await adding;
`,
      ),
    ],
    evidence: { faults: ["aggregator-kill", "redis-kill"], injections: 12 },
  },
  {
    name: "everysec-unnoticed",
    title: "`appendfsync everysec` is not complained of",
    promise: "P1",
    edits: [edit(LINK, "if (value !== wanted) warnings.push", "if (value === undefined) warnings.push")],
    evidence: {
      path: "aggregator/test/crash/redis-faults.test.ts",
      test: "promises less than P1 is used, and named in the log",
    },
  },
  {
    name: "trim-ahead",
    title: "entries are forgotten when they are read, not when they are committed",
    promise: "P1",
    edits: [
      edit(QUEUE, "const TAIL_MS_MAX = 60_000;", "const TAIL_MS_MAX = 0;"),
      edit(QUEUE, "const TAIL_BYTES_MAX = 4 * 1024 * 1024;", "const TAIL_BYTES_MAX = 0;"),
      edit(
        "aggregator/src/worker/shard-worker.ts",
        "    const stored = await this.#commit(shard, from, run, last.position);",
        `    await this.#queue.trim(shard, { ...last.position, seq: last.position.seq + 1 }, last.content?.bytesIn);
    const stored = await this.#commit(shard, from, run, last.position);`,
      ),
    ],
    evidence: { faults: ["aggregator-kill"], injections: 12 },
  },
  {
    name: "tail-cut-unread",
    title: "the tail is cut at marks of before Postgres went back",
    promise: "P4",
    edits: [
      edit(
        "aggregator/src/queue/scripts/trim.lua",
        "while newest and is_beyond(newest) do",
        "while false and newest do",
      ),
    ],
    evidence: { path: "aggregator/test/crash/gone-back.test.ts", test: "after minutes without Postgres" },
  },
  {
    name: "epoch-not-issued",
    title: "batches are made of a Redis in another epoch than Postgres has issued",
    promise: "P5",
    edits: [
      edit(
        "aggregator/src/worker/shard-worker.ts",
        "if (head !== undefined && head.epoch !== from.issuedEpoch) return",
        "if (head !== undefined && head.epoch !== from.issuedEpoch && head.seq < 0) return",
      ),
    ],
    evidence: { faults: ["older-postgres"], injections: 6 },
  },
  {
    name: "gap-in-silence",
    title: "what Redis no longer holds is passed over, and written down as nothing",
    promise: "P4",
    edits: [
      edit(BATCH_STORE, "SELECT shard, $5, 'gap', $3, $6 FROM moved", "SELECT shard, $5, 'gap', $6, $6 FROM moved"),
    ],
    evidence: { faults: ["stream-deleted"], injections: 4 },
  },
  {
    name: "loss-in-silence",
    title: "a new epoch continues from less than was acknowledged, and nobody writes it down",
    promise: "P4",
    edits: [edit(KEEPER, "      await this.#noteLoss(shard, row);\n", "")],
    evidence: { faults: ["older-aof", "flushall"], injections: 8 },
  },
  {
    name: "no-floor",
    title: "a Redis that has less than it acknowledged is taken for sound",
    promise: "P4",
    edits: [
      edit(
        KEEPER,
        "return floor === undefined || !isAfter(floor, head);",
        "return true || isAfter(floor ?? head, head);",
      ),
    ],
    evidence: { faults: ["ids-below-position"], injections: 20 },
  },
  {
    name: "no-deadline",
    title: "commands to Redis have no deadline",
    promise: "P6",
    edits: [edit(LINK, "    commandTimeout: COMMAND_TIMEOUT_MS,\n", "")],
    evidence: { faults: ["redis-pause"], injections: 4 },
  },
];
