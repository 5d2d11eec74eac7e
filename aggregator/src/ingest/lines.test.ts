import { expect, test } from "bun:test";
import { type ChunkBounds, chunksOfLines, LineTooLong } from "./lines.ts";

const BOUNDS: ChunkBounds = { linesMax: 3, bytesMax: 100, lineBytesMax: 50 };

function streamOf(pieces: readonly string[]): ReadableStream<Uint8Array> {
  const waiting = pieces.map((piece) => new TextEncoder().encode(piece));
  return new ReadableStream({
    pull(controller) {
      const piece = waiting.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
  });
}

async function cut(pieces: readonly string[], over: Partial<ChunkBounds> = {}) {
  const chunks: { first: number; lines: string[] }[] = [];
  const failed = (error: unknown) => new Error(String(error));
  for await (const { first, lines } of chunksOfLines(streamOf(pieces), { ...BOUNDS, ...over }, failed)) {
    chunks.push({ first, lines: lines.map((line) => new TextDecoder().decode(line)) });
  }
  return chunks;
}

test("lines end with LF or CRLF, and the last one with the stream", async () => {
  expect(await cut(["a\nb\r\nc"])).toEqual([{ first: 0, lines: ["a", "b", "c"] }]);
  expect(await cut(["a\n"])).toEqual([{ first: 0, lines: ["a"] }]);
  expect(await cut(["a\n\nb\n"])).toEqual([{ first: 0, lines: ["a", "", "b"] }]);
  expect(await cut([])).toEqual([]);
});

test("it does not matter where the network cuts", async () => {
  const text = "första\r\nzweite 漢\nthird\n";
  const bytes = [...new TextEncoder().encode(text)];
  const whole = await cut([text]);
  const chunks: string[][] = [];
  const single = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
      controller.close();
    },
  });
  for await (const { lines } of chunksOfLines(single, BOUNDS, () => new Error())) {
    chunks.push(lines.map((line) => new TextDecoder().decode(line)));
  }
  expect(chunks).toEqual(whole.map(({ lines }) => lines));
});

test("a chunk is full by lines, or by bytes, and the next one goes on counting", async () => {
  expect((await cut(["1\n2\n3\n4\n5"])).map(({ first, lines }) => [first, lines.length])).toEqual([
    [0, 3],
    [3, 2],
  ]);
  const long = `${"x".repeat(40)}\n`;
  expect((await cut([long.repeat(5)], { linesMax: 10 })).map(({ lines }) => lines.length)).toEqual([3, 2]);
});

test("a line that is too long is known before it ends, and which it is", async () => {
  const endless = ["a\nb\nc\nd\n", "x".repeat(40), "x".repeat(40)];
  const failure = await cut(endless).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(LineTooLong);
  expect((failure as LineTooLong).index).toBe(4);
});

test("what has come is handed over when nothing more comes for a moment", async () => {
  let push: (text: string) => void = () => undefined;
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      push = (text) => controller.enqueue(new TextEncoder().encode(text));
    },
  });
  const chunks = chunksOfLines(stream, BOUNDS, () => new Error());
  push("a\nb");
  expect((await chunks.next()).value?.lines.length).toBe(1);
  push("\nc\n");
  expect((await chunks.next()).value).toMatchObject({ first: 1, lines: [{}, {}] });
  await chunks.return();
});

test("who stops early cancels the stream", async () => {
  const cancelled = Promise.withResolvers<void>();
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode("a\n")),
    cancel: () => cancelled.resolve(),
  });
  for await (const { lines } of chunksOfLines(stream, BOUNDS, () => new Error())) if (lines.length > 0) break;
  await cancelled.promise;
});
