/** One connection to `GET /subscribe`: bytes become ids and events (WHATWG HTML, "Server-sent events"). */
import { createParser } from "eventsource-parser";
import { after } from "./timer.ts";

/** What a connection brings: an event, as JSON, with the id that it carries, if any; or an id without an event. */
export type Read =
  | { readonly kind: "id"; readonly id: string }
  | { readonly kind: "record"; readonly record: string; readonly id: string | undefined }
  | { readonly kind: "retry"; readonly ms: number };

/** The stream is over. It always is a reason to come back. */
export type Ended = { readonly reason: string };

/** The largest event there can be, several times over: a request's body is at most 64 MiB. */
const EVENT_CHARACTERS_MAX = 512 * 1024 * 1024;

/** What browsers, Node and Bun agree on. */
interface Reader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
}

export class EventStream {
  readonly #reader: Reader;
  readonly #silenceMsMax: number;
  readonly #decoder = new TextDecoder();
  #read: Read[] = [];
  #end = "the stream has ended";

  readonly #parser = createParser({
    maxBufferSize: EVENT_CHARACTERS_MAX,
    onId: (id) => this.#read.push({ kind: "id", id }),
    onRetry: (ms) => this.#read.push({ kind: "retry", ms }),
    onEvent: ({ event, data, id }) => {
      if (event === "event") {
        // The parser has told of the id already: it belongs to this event, and counts when that has been given.
        if (id !== undefined) this.#read.pop();
        this.#read.push({ kind: "record", record: data, id });
      } else if (event === "end") this.#end = `the service has ended the stream: ${data}`;
    },
  });

  constructor(body: ReadableStream<Uint8Array>, silenceMsMax: number) {
    this.#reader = body.getReader();
    this.#silenceMsMax = silenceMsMax;
  }

  /** What the next bytes hold; heartbeats hold nothing but an id. Never rejects. */
  async next(): Promise<readonly Read[] | Ended> {
    const bytes = await this.#nextBytes();
    if ("reason" in bytes) return bytes;
    this.#parser.feed(this.#decoder.decode(bytes, { stream: true }));
    const read = this.#read;
    this.#read = [];
    return read;
  }

  async #nextBytes(): Promise<Uint8Array | Ended> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<Ended>((resolve) => {
      timer = after(this.#silenceMsMax, () => resolve({ reason: "nothing was heard for too long" }));
    });
    const heard = this.#reader.read().then(
      ({ value }) => value ?? { reason: this.#end },
      () => ({ reason: "the connection is broken" }),
    );
    try {
      return await Promise.race([heard, silence]);
    } finally {
      clearTimeout(timer);
    }
  }
}
