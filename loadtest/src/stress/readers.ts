/** Readers that follow the links of `/events` while the run writes; what must hold for them heads `walk.ts`. */
import type { Companion, Findings } from "./companion.ts";
import { countsOf, eventPages, readPage, readStats } from "./service.ts";
import { outOfOrder, pageStayed, rowKey, skipped } from "./walk.ts";
import type { Watch } from "./watch.ts";

/** Small, so that a walk has many edges between pages, which is where rows could be lost. */
const PAGE_LIMIT = 97;
const WALKS_MIN = 3;
const EXAMPLES_MAX = 5;

interface Reader {
  readonly topics: readonly string[];
  /** The one topic that is asked for; undefined asks for all. */
  readonly filter: string | undefined;
  before: readonly string[];
}

export class Readers implements Companion {
  readonly #base: string;
  readonly #topics: readonly string[];
  readonly #since_ms: number;
  readonly #readers: Reader[];
  readonly #wrong = {
    order: [] as string[],
    skipped: [] as string[],
    changed: [] as string[],
    counted: [] as string[],
  };
  #walks = 0;
  #pages = 0;
  #rows = 0;
  #ending = false;
  #running: Promise<unknown> | undefined;

  /** The first reader reads all topics together, the others one each. */
  constructor(base: string, topics: readonly string[], since_ms: number, readers: number) {
    this.#base = base;
    this.#topics = topics;
    this.#since_ms = since_ms;
    this.#readers = Array.from({ length: readers }, (_, index) => {
      const filter = index === 0 ? undefined : topics[index % topics.length];
      return { filter, topics: filter === undefined ? topics : [filter], before: [] };
    });
  }

  begin(watch: Watch): void {
    this.#running = Promise.all(
      this.#readers.map(async (reader) => {
        while (!this.#ending) {
          await this.#walk(reader, watch);
        }
      }),
    );
    this.#running.catch(() => {});
  }

  /** How many of the run's events `/stats` has counted as stored. */
  async #counted(reader: Reader, watch: Watch): Promise<number> {
    const now = countsOf(await readStats(this.#base), reader.topics);
    return now.unique_processed - countsOf(watch.first, reader.topics).unique_processed;
  }

  async #walk(reader: Reader, watch: Watch): Promise<void> {
    const least = await this.#counted(reader, watch);
    const keys: string[] = [];
    const own: string[] = [];
    const ours = new Set(this.#topics);
    let pages = 0;
    let kept: { url: string; keys: string[] } | undefined;
    for await (const { url, rows } of eventPages(this.#base, reader.filter, PAGE_LIMIT)) {
      pages += 1;
      const page = rows.map(rowKey);
      keys.push(...page);
      own.push(...page.filter((_, index) => this.#isOwn(rows[index], ours)));
      // Any of the pages, each as likely as the others, without knowing how many there will be.
      kept = Math.random() < 1 / pages ? { url, keys: page } : kept;
      if (rows.some(({ timestamp }) => Date.parse(timestamp) < this.#since_ms)) {
        break;
      }
    }
    this.#pages += pages;
    const most = await this.#counted(reader, watch);
    this.#judge(reader, keys, own, least, most);
    const again = kept === undefined ? [] : (await readPage(kept.url)).map(rowKey);
    if (kept !== undefined && !pageStayed(kept.keys, again, PAGE_LIMIT)) {
      this.#wrong.changed.push(kept.url);
    }
  }

  #isOwn(row: { topic: string; timestamp: string } | undefined, ours: ReadonlySet<string>): boolean {
    return row !== undefined && ours.has(row.topic) && Date.parse(row.timestamp) >= this.#since_ms;
  }

  #judge(reader: Reader, keys: readonly string[], own: readonly string[], least: number, most: number): void {
    this.#walks += 1;
    this.#rows += keys.length;
    this.#wrong.order.push(...outOfOrder(keys));
    this.#wrong.skipped.push(...skipped(reader.before, own));
    if (own.length < least || own.length > most) {
      this.#wrong.counted.push(`${own.length} rows, not ${least} to ${most}`);
    }
    reader.before = own;
  }

  async end(): Promise<Findings> {
    this.#ending = true;
    await this.#running;
    const none = (name: string, wrong: readonly string[]) => ({
      name: wrong.length === 0 ? name : `${name} (${wrong.slice(0, EXAMPLES_MAX).join("; ")})`,
      expected: "0",
      found: String(wrong.length),
      passed: wrong.length === 0,
    });
    const n = (value: number): string => value.toLocaleString("en-GB");
    const walks_min = this.#readers.length * WALKS_MIN;
    return {
      checks: [
        {
          name: "walks through /events",
          expected: `${walks_min} at least`,
          found: n(this.#walks),
          passed: this.#walks >= walks_min,
        },
        none("rows out of order or twice in a walk", this.#wrong.order),
        none("rows that a walk skipped", this.#wrong.skipped),
        none("walks with other numbers of rows than counted", this.#wrong.counted),
        none("finished pages that changed", this.#wrong.changed),
      ],
      facts: [["read meanwhile", `${n(this.#rows)} rows on ${n(this.#pages)} pages in ${n(this.#walks)} walks`]],
    };
  }
}
