/**
 * A crowd of subscribers to one topic, as a program of its own, so that its work does not delay whoever publishes.
 * Arguments: base URL, topic, subscribers. Prints `open` when all streams are open, and one line of JSON at the end of
 * its input.
 *
 * It speaks over bare sockets and looks for nothing but the instants in the payloads: at a million events a second an
 * HTTP client and a JSON parser would be what is measured. Of each chunk the oldest event's delay counts for all of its
 * events, so that delays are rather told too long than too short.
 */
const [base = "", topic = "", count = "0"] = process.argv.slice(2);
const { hostname, port } = new URL(base);
const SUBSCRIBERS = Number(count);
const KEY = '"t": ';
const DIGITS = 13;
const PLACE_BYTES = KEY.length + DIGITS;
const DELAY_MS_MAX = 60_000;

const delays = new Float64Array(DELAY_MS_MAX + 1);
const received = new Array<number>(SUBSCRIBERS).fill(0);
let opened = 0;
let closed = 0;
let bytes = 0;

/** Finds what lies within one piece, and what the last one and this one share. */
class Reader {
  readonly #index: number;
  #tail: Buffer = Buffer.alloc(0);
  #isOpen = false;

  constructor(index: number) {
    this.#index = index;
  }

  take(piece: Buffer): void {
    bytes += piece.length;
    if (!this.#isOpen) {
      this.#isOpen = true;
      opened += 1;
      if (opened === SUBSCRIBERS) console.log("open");
    }
    const now = Date.now();
    const seam = Buffer.concat([this.#tail, piece.subarray(0, PLACE_BYTES)]);
    const across = seam.indexOf(KEY);
    const isAcross =
      across >= 0 &&
      across < this.#tail.length &&
      across + PLACE_BYTES > this.#tail.length &&
      seam.length >= across + PLACE_BYTES;
    let events = isAcross ? 1 : 0;
    let oldest = isAcross ? instantAt(seam, across) : 0;
    for (
      let at = piece.indexOf(KEY);
      at >= 0 && at + PLACE_BYTES <= piece.length;
      at = piece.indexOf(KEY, at + PLACE_BYTES)
    ) {
      if (events === 0) oldest = instantAt(piece, at);
      events += 1;
    }
    this.#tail = Buffer.from(piece.subarray(Math.max(0, piece.length - PLACE_BYTES + 1)));
    if (events === 0) return;
    received[this.#index] = (received[this.#index] ?? 0) + events;
    const delay = Math.min(DELAY_MS_MAX, Math.max(0, now - oldest));
    delays[delay] = (delays[delay] ?? 0) + events;
  }
}

function instantAt(buffer: Buffer, at: number): number {
  return Number(buffer.toString("latin1", at + KEY.length, at + PLACE_BYTES));
}

function percentile(share: number): number {
  const all = delays.reduce((sum, n) => sum + n, 0);
  let below = 0;
  for (let delay = 0; delay <= DELAY_MS_MAX; delay += 1) {
    below += delays[delay] ?? 0;
    if (below >= all * share) return delay;
  }
  return DELAY_MS_MAX;
}

const question = `GET /subscribe?topic=${topic} HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`;
const sockets = await Promise.all(
  Array.from({ length: SUBSCRIBERS }, (_, index) => {
    const reader = new Reader(index);
    return Bun.connect({
      hostname,
      port: Number(port),
      socket: {
        open: (socket) => void socket.write(question),
        data: (_socket, piece) => reader.take(piece),
        close: () => {
          closed += 1;
        },
      },
    });
  }),
);
process.stdin.on("end", () => {
  const [least, most] = [Math.min(...received), Math.max(...received)];
  const delay_ms = { p50: percentile(0.5), p99: percentile(0.99), max: percentile(1) };
  console.log(JSON.stringify({ opened, closed, least, most, mib: Math.round(bytes / 2 ** 20), delay_ms }));
  for (const socket of sockets) socket.terminate();
  process.exit(0);
});
process.stdin.resume();
