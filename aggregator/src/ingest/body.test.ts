import { describe, expect, test } from "bun:test";
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { RequestError } from "../problem.ts";
import { readBody } from "./body.ts";

/** A body that counts what is taken from it. */
function chunked(chunks: readonly (string | Uint8Array)[]) {
  const taken = { chunks: 0, cancelled: false };
  const { promise: cancelled, resolve } = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const chunk = chunks[taken.chunks];
        if (chunk === undefined) return controller.close();
        taken.chunks += 1;
        controller.enqueue(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
      },
      cancel() {
        taken.cancelled = true;
        resolve();
      },
    },
    { highWaterMark: 0 },
  );
  return { taken, body, cancelled };
}

function request(
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null,
  headers: Record<string, string> = {},
): Request {
  return new Request("http://test/publish", { method: "POST", body, headers });
}

/** The body's text, or the status with which it is refused. */
async function read(request: Request, bytesMax: number): Promise<string | number> {
  try {
    return new TextDecoder().decode(await readBody(request, bytesMax));
  } catch (error) {
    if (error instanceof RequestError) return error.problem.status;
    throw error;
  }
}

describe("a body with a declared length", () => {
  test("is read up to the limit", async () => {
    expect(await read(request("12345", { "content-length": "5" }), 5)).toBe("12345");
  });

  test("over the limit is refused before a byte is read", async () => {
    const { taken, body } = chunked(["123456"]);
    expect(await read(request(body, { "content-length": "6" }), 5)).toBe(413);
    expect(taken.chunks).toBe(0);
  });
});

describe("a body without a declared length", () => {
  test("is put together from its chunks", async () => {
    expect(await read(request(chunked(["12", "3", "é"]).body), 5)).toBe("123é");
  });

  test("is counted in bytes while it arrives, and given up as soon as it is too large", async () => {
    const { taken, body } = chunked(["é2", "34", "é", "78", "90"]);
    expect(await read(request(body), 6)).toBe(413);
    expect(taken).toEqual({ chunks: 3, cancelled: true });
  });

  test("is empty where there is none", async () => {
    expect(await read(request(null), 5)).toBe("");
  });
});

describe("a compressed body", () => {
  const TEXT = JSON.stringify({ words: Array.from({ length: 200 }, (_, index) => `word ${index * 7919}`) });
  const CODINGS = [
    ["gzip", gzipSync],
    ["deflate", deflateSync],
    ["zstd", zstdCompressSync],
  ] as const;

  test.each(CODINGS)("in %s is inflated, with a declared length and without", async (coding, compress) => {
    const bytes = new Uint8Array(compress(TEXT));
    const headers = { "content-encoding": coding };
    const declared = { ...headers, "content-length": String(bytes.length) };
    expect(await read(request(bytes, declared), 10_000)).toBe(TEXT);
    const parts = [bytes.slice(0, 7), bytes.slice(7, 9), bytes.slice(9)];
    expect(await read(request(chunked(parts).body, headers), 10_000)).toBe(TEXT);
  });

  test.each(CODINGS)("in %s that is cut short anywhere is refused, never taken for less", async (coding, compress) => {
    const bytes = new Uint8Array(compress(TEXT));
    for (const length of [0, 1, 5, 20, bytes.length >> 1, bytes.length - 5, bytes.length - 1]) {
      const cut = request(chunked([bytes.slice(0, length)]).body, { "content-encoding": coding });
      expect({ length, read: await read(cut, 10_000) }).toEqual({ length, read: 400 });
    }
  });

  test.each(CODINGS)("in %s that is damaged, or goes on after its end, is refused", async (coding, compress) => {
    const bytes = new Uint8Array(compress(TEXT));
    const headers = { "content-encoding": coding };
    expect(await read(request(bytes.with(1, 0x55), headers), 10_000)).toBe(400);
    expect(await read(request(new Uint8Array([...bytes, 1, 2, 3]), headers), 10_000)).toBe(400);
    expect(await read(request("not compressed at all", headers), 10_000)).toBe(400);
  });

  test.each(CODINGS)("in %s is counted while it inflates, and given up at the limit", async (coding, compress) => {
    const parts = Array.from({ length: 64 }, () => compress(Buffer.alloc(1024 * 1024)));
    // Deflate has no members that follow each other; one stream is as large.
    const whole = coding === "deflate" ? deflateSync(Buffer.alloc(64 * 1024 * 1024)) : Buffer.concat(parts);
    const size = Math.ceil(whole.length / 64);
    const pieces = Array.from({ length: 64 }, (_, index) => whole.subarray(index * size, (index + 1) * size));
    const { taken, body, cancelled } = chunked(pieces);
    expect(await read(request(body, { "content-encoding": coding }), 2 * 1024 * 1024)).toBe(413);
    await cancelled;
    // Two pieces make 2 MiB, the third is too much; a few are under way.
    expect(taken.chunks).toBeLessThan(16);
  });

  test("of exactly the limit is taken, and of one byte more is not", async () => {
    const headers = { "content-encoding": "gzip" };
    expect(await read(request(new Uint8Array(gzipSync("x".repeat(500))), headers), 500)).toBe("x".repeat(500));
    expect(await read(request(new Uint8Array(gzipSync("x".repeat(501))), headers), 500)).toBe(413);
  });

  test("in two codings is undone from the outside in, and each layer is held to the limit", async () => {
    const both = { "content-encoding": "deflate, gzip" };
    expect(await read(request(new Uint8Array(gzipSync(deflateSync(TEXT))), both), 10_000)).toBe(TEXT);
    expect(await read(request(new Uint8Array(deflateSync(gzipSync(TEXT))), both), 10_000)).toBe(400);
    // Empty members yield nothing, however many they are: only counting what lies between the layers shows them.
    const nothing = Buffer.concat(Array.from({ length: 1000 }, () => gzipSync("")));
    const twice = request(new Uint8Array(gzipSync(nothing)), { "content-encoding": "gzip, gzip" });
    expect(await read(twice, 10_000)).toBe(413);
  });

  test("may name identity, any case, and gzip's old name", async () => {
    for (const name of ["x-gzip", "GZIP", "identity, gzip", " gzip , "]) {
      const encoded = request(new Uint8Array(gzipSync(TEXT)), { "content-encoding": name });
      expect({ name, read: await read(encoded, 10_000) }).toEqual({ name, read: TEXT });
    }
    expect(await read(request(TEXT, { "content-encoding": "identity" }), 10_000)).toBe(TEXT);
  });

  test.each(["br", "compress", "gzip, br", "aws-chunked", "gzip;q=1", "gzip, gzip, gzip"])(
    "in %s is refused with what is taken",
    async (name) => {
      const encoded = request(TEXT, { "content-encoding": name });
      const refused = (await readBody(encoded, 10_000).catch((error: unknown) => error)) as RequestError;
      expect(refused.problem).toMatchObject({
        status: 415,
        headers: { "accept-encoding": "gzip, deflate, zstd, identity" },
      });
    },
  );
});

describe("a body that does not end", () => {
  const broken = (error: unknown) => new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(error) });
  const HEADERS = [{ "content-length": "5" }, {}, { "content-encoding": "gzip" }];

  test.each(HEADERS)("because its sender has gone is no fault: %j", async (headers) => {
    const gone = new DOMException("The connection was closed.", "AbortError");
    expect(await read(request(broken(gone), headers as Record<string, string>), 5)).toBe(400);
  });

  test("for another reason is one", async () => {
    await expect(readBody(request(broken(new Error("of ours"))), 5)).rejects.toThrow("of ours");
  });
});
