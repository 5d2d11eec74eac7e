/** The store as producers see it: taking shards up, and the fate of deliveries. */
import type { StoredVerdict } from "@sekali/contract";
import type { Position } from "../queue/port.ts";
import type { Database, Transaction } from "./database.ts";
import type { LockedShard, Loss, ShardStore, VerdictQuery } from "./port.ts";
import verdicts from "./sql/verdicts.sql" with { type: "text" };

export class PostgresShardStore implements ShardStore {
  readonly #database: Database;
  readonly installation: string;

  constructor(database: Database, installation: string) {
    this.#database = database;
    this.installation = installation;
  }

  takeUp<T>(shard: number, compare: (row: LockedShard) => Promise<T>): Promise<T> {
    return this.#database.transaction(async (tx) => {
      await tx`INSERT INTO positions (shard) VALUES (${shard}) ON CONFLICT DO NOTHING`;
      const [row] = await tx`
        UPDATE positions SET fence = fence + 1 WHERE shard = ${shard} RETURNING epoch, seq, issued_epoch`;
      if (row === undefined) throw new Error(`shard ${shard} has no position`);
      return await compare(lockedShard(tx, shard, row));
    });
  }

  async positions(shards: readonly number[]): Promise<ReadonlyMap<number, Position>> {
    const rows = await this.#database.query(
      "SELECT shard, epoch, seq FROM positions WHERE shard = ANY ($1::text::integer[])",
      [`{${shards.join(",")}}`],
    );
    return new Map(
      rows.map((row) => [row["shard"] as number, { epoch: row["epoch"] as number, seq: row["seq"] as number }]),
    );
  }

  async shards(): Promise<readonly number[]> {
    const rows = await this.#database.query("SELECT shard FROM positions");
    return rows.map((row) => row["shard"] as number);
  }

  async verdicts(query: VerdictQuery): Promise<readonly (StoredVerdict | undefined)[]> {
    const rows = await this.#database.query(verdicts, [
      query.shard,
      query.epoch,
      query.firstSeq,
      JSON.stringify(query.identities),
    ]);
    return rows.map((row) => (row["verdict"] ?? undefined) as StoredVerdict | undefined);
  }

  async topics(): Promise<readonly string[]> {
    const rows = await this.#database.query("SELECT DISTINCT topic FROM counters WHERE topic <> ''");
    return rows.map((row) => row["topic"] as string);
  }
}

function lockedShard(tx: Transaction, shard: number, row: Readonly<Record<string, unknown>>): LockedShard {
  const position = { epoch: row["epoch"] as number, seq: row["seq"] as number };
  return {
    position,
    issuedEpoch: row["issued_epoch"] as number,
    async issue(epoch, baseSeq) {
      // Where nothing beyond the position has survived, reading goes on in the new epoch at once.
      const at = baseSeq === position.seq ? epoch : position.epoch;
      await tx`UPDATE positions SET issued_epoch = ${epoch}, epoch = ${at} WHERE shard = ${shard}`;
      await tx`INSERT INTO epochs (shard, epoch, base_seq) VALUES (${shard}, ${epoch}, ${baseSeq})`;
    },
    async noteLoss(loss: Loss) {
      await tx`
        INSERT INTO losses AS l (shard, epoch, cause, after_seq, through_seq)
        VALUES (${loss.shard}, ${loss.epoch}, ${loss.cause}, ${loss.afterSeq}, ${loss.throughSeq})
        ON CONFLICT (shard, epoch, cause, after_seq)
        DO UPDATE SET through_seq = greatest(l.through_seq, excluded.through_seq)`;
    },
    async epochsAfter(epoch) {
      const later = await tx`
        SELECT epoch, base_seq FROM epochs WHERE shard = ${shard} AND epoch > ${epoch} ORDER BY epoch`;
      return later.map((row) => ({ epoch: row["epoch"] as number, seq: row["base_seq"] as number }));
    },
  };
}
