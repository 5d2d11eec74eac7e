/** The store as workers see it: one statement a batch. See `sql/store-batch.sql` for what it does and why at once. */
import type { Position } from "../queue/port.ts";
import type { AuditPlace } from "./audit-port.ts";
import type { Database, Row } from "./database.ts";
import type { Batch, BatchStore, Examined, Named, Naming, Standing, StoredBatch } from "./port.ts";
import storeBatch from "./sql/store-batch.sql" with { type: "text" };

const STANDINGS = "SELECT shard, epoch, seq, fence, issued_epoch FROM positions";
const SKIP_GAP = `
  WITH moved AS (
    UPDATE positions SET epoch = $5, seq = $6, moved_at = now()
    WHERE shard = $1 AND epoch = $2 AND seq = $3 AND fence = $4 RETURNING shard
  )
  INSERT INTO losses (shard, epoch, cause, after_seq, through_seq) SELECT shard, $5, 'gap', $3, $6 FROM moved
  RETURNING shard`;
const EXAMINE = "SELECT raw, refused_with, reason FROM examine_entry(decode($1, 'base64'), $2) ORDER BY ord";

export class PostgresBatchStore implements BatchStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  onConnectionLost(listener: () => void): void {
    this.#database.onConnectionLost(listener);
  }

  async standings(): Promise<ReadonlyMap<number, Standing>> {
    const rows = await this.#database.query(STANDINGS);
    return new Map(rows.map((row) => [row["shard"] as number, toStanding(row)]));
  }

  async standing(shard: number): Promise<Standing | undefined> {
    const [row] = await this.#database.query(`${STANDINGS} WHERE shard = $1`, [shard]);
    return row === undefined ? undefined : toStanding(row);
  }

  async storeBatch(batch: Batch, naming: Naming): Promise<StoredBatch | undefined> {
    const [row] = await this.#database.query(storeBatch, [
      batch.shard,
      batch.from.epoch,
      batch.from.seq,
      batch.from.fence,
      `[${batch.text}]`,
      batch.seqs === undefined ? null : `{${batch.seqs.join(",")}}`,
      batch.to.epoch,
      batch.to.seq,
      batch.deliveries,
      JSON.stringify(
        batch.deadLetters.map((letter) => ({ ...letter, raw: Buffer.from(letter.raw).toString("base64") })),
      ),
      naming.dropped,
      naming.kept,
      naming.conflicting,
    ]);
    if (row === undefined || row["moved"] !== 1) return undefined;
    const unique = row["unique_processed"] as number;
    return {
      unique,
      duplicates: batch.deliveries - unique,
      dropped: (row["dropped"] ?? []) as readonly Named[],
      kept: (row["kept"] ?? []) as readonly Named[],
      conflicts: row["conflicts"] as number,
      unjudged: row["unjudged"] as number,
      conflicting: (row["conflicting"] ?? []) as readonly AuditPlace[],
    };
  }

  async skipGap(shard: number, from: Standing, to: Position): Promise<boolean> {
    const rows = await this.#database.query(SKIP_GAP, [shard, from.epoch, from.seq, from.fence, to.epoch, to.seq]);
    return rows.length === 1;
  }

  async examine(text: string, deliveries: number): Promise<readonly Examined[] | { sqlstate: string; reason: string }> {
    const rows = await this.#database.query(EXAMINE, [Buffer.from(text).toString("base64"), deliveries]);
    const whole = rows[0];
    if (rows.length === 1 && whole?.["raw"] === null) {
      return { sqlstate: String(whole["refused_with"]), reason: String(whole["reason"]) };
    }
    return rows.map((row) => ({
      raw: String(row["raw"]),
      refusal:
        row["refused_with"] === null
          ? undefined
          : { sqlstate: String(row["refused_with"]), reason: String(row["reason"]) },
    }));
  }
}

function toStanding(row: Row): Standing {
  return {
    epoch: row["epoch"] as number,
    seq: row["seq"] as number,
    fence: row["fence"] as number,
    issuedEpoch: row["issued_epoch"] as number,
  };
}
