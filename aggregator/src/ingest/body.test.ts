import { describe, expect, test } from "bun:test";
import { readBody } from "./body.ts";

/** A body that counts what is taken from it. */
function chunked(chunks: readonly string[]) {
  const taken = { chunks: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const chunk = chunks[taken.chunks];
        if (chunk === undefined) return controller.close();
        taken.chunks += 1;
        controller.enqueue(new TextEncoder().encode(chunk));
      },
      cancel() {
        taken.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { taken, body };
}

function request(body: string | ReadableStream<Uint8Array> | null, headers: Record<string, string> = {}): Request {
  return new Request("http://test/publish", { method: "POST", body, headers });
}

function text(bytes: Uint8Array | "too_large"): string {
  return bytes === "too_large" ? bytes : new TextDecoder().decode(bytes);
}

describe("a body with a declared length", () => {
  test("is read up to the limit", async () => {
    expect(text(await readBody(request("12345", { "content-length": "5" }), 5))).toBe("12345");
  });

  test("over the limit is refused before a byte is read", async () => {
    const { taken, body } = chunked(["123456"]);
    expect(await readBody(request(body, { "content-length": "6" }), 5)).toBe("too_large");
    expect(taken.chunks).toBe(0);
  });
});

describe("a body without a declared length", () => {
  test("is put together from its chunks", async () => {
    expect(text(await readBody(request(chunked(["12", "3", "é"]).body), 5))).toBe("123é");
  });

  test("is counted in bytes while it arrives, and given up as soon as it is too large", async () => {
    const { taken, body } = chunked(["é2", "34", "é", "78", "90"]);
    expect(await readBody(request(body), 6)).toBe("too_large");
    expect(taken).toEqual({ chunks: 3, cancelled: true });
  });

  test("is empty where there is none", async () => {
    expect(text(await readBody(request(null), 5))).toBe("");
  });
});
