/**
 * Everything that matches, as newline-delimited JSON, without holding it in memory or a transaction open: page after
 * page by cursor, each read when the client has taken the one before.
 *
 *   reading ──client has taken it──▶ reading ──no further page──▶ closed: the last chunk says that it is complete
 *      └──client gone──▶ closed      └──a page fails──▶ broken: the connection ends without a last chunk
 *
 * So a client can tell: HTTP/1.1 ends a complete body with an empty chunk (RFC 9112 section 7.1), and whoever finds the
 * connection closed without it has not got everything. curl then exits with 18 or 56, fetch rejects.
 */
import { EVENTS_PAGE_MAX } from "@sekali/contract";
import type { Logger } from "../ops/log.ts";
import type { EventsCursor, EventsPage } from "../store/reader-port.ts";
import { refusal, STREAMS_MAX } from "./admission.ts";

/** @param after the place to go on from; undefined: where the query begins. */
export type ReadPage = (after: EventsCursor | undefined, limit: number) => Promise<EventsPage>;

export class EventStreams {
  readonly #log: Pick<Logger, "warn">;
  #underWay = 0;

  constructor(log: Pick<Logger, "warn">) {
    this.#log = log;
  }

  /**
   * @param signal of the request: aborted when the client goes away
   * @throws RequestError 503 where as many are under way as may be; whatever reading the first page throws.
   */
  async open(read: ReadPage, rowsMax: number, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    if (this.#underWay >= STREAMS_MAX) {
      throw refusal("busy", "Busy", "As many streams are under way as may be. Repeat this request later.");
    }
    this.#underWay += 1;
    const end = once(() => {
      this.#underWay -= 1;
    });
    try {
      const first = await read(undefined, Math.min(rowsMax, EVENTS_PAGE_MAX));
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
      const pages = pagesFrom(first, read, rowsMax);
      return stream(pages, end, (error) => this.#log.warn({ err: error }, "Stream of events broken off"));
    } catch (error) {
      end();
      throw error;
    }
  }
}

async function* pagesFrom(first: EventsPage, read: ReadPage, rowsMax: number): AsyncGenerator<readonly string[]> {
  let page = first;
  let rowsLeft = rowsMax;
  for (;;) {
    if (page.rows.length > 0) yield page.rows;
    rowsLeft -= page.rows.length;
    if (page.next === undefined || rowsLeft <= 0) return;
    page = await read(page.next, Math.min(rowsLeft, EVENTS_PAGE_MAX));
  }
}

function stream(pages: AsyncGenerator<readonly string[]>, end: () => void, onFailure: (error: unknown) => void) {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await pages.next();
          if (!done) return controller.enqueue(encoder.encode(`${value.join("\n")}\n`));
          end();
          controller.close();
        } catch (error) {
          end();
          onFailure(error);
          controller.error(error);
        }
      },
      async cancel() {
        end();
        await pages.return(undefined);
      },
    },
    // Nothing is read before the client wants it.
    { highWaterMark: 0 },
  );
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}
