/** A client on a thin line: it sends a request in small pieces over several seconds, and then reads the answer. */
import { connect, type Socket } from "node:net";

const PIECE_BYTES = 32;
const PIECE_EVERY_MS = 600;
const ANSWER_MS_MAX = 30_000;

export class SlowClient {
  readonly #url: URL;

  constructor(base: string) {
    this.#url = new URL(base);
  }

  /** @throws Error where the answer is not 200 */
  async publish(body: string): Promise<void> {
    const socket = connect({ host: this.#url.hostname, port: Number(this.#url.port) });
    try {
      const answered = firstLine(socket);
      // Until it is awaited, a connection that ends early must not end the program.
      answered.catch(() => {});
      const length = Buffer.byteLength(body);
      const head = `POST /publish HTTP/1.1\r\nhost: ${this.#url.host}\r\ncontent-type: application/json\r\n`;
      socket.write(`${head}content-length: ${length}\r\nconnection: close\r\n\r\n`);
      for (let at = 0; at < length && !socket.destroyed; at += PIECE_BYTES) {
        await Bun.sleep(PIECE_EVERY_MS * (0.5 + Math.random()));
        socket.write(body.slice(at, at + PIECE_BYTES));
      }
      const line = await answered;
      if (!line.includes(" 200 ")) throw new Error(`answered with ${line}`);
    } finally {
      socket.destroy();
    }
  }
}

function firstLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.setTimeout(ANSWER_MS_MAX, () => reject(new Error("no answer")));
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const end = text.indexOf("\r\n");
      if (end >= 0) resolve(text.slice(0, end));
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the connection ended without an answer")));
  });
}
