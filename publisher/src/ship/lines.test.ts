import { describe, expect, test } from "bun:test";
import { LineSplitter } from "./lines.ts";

const encoder = new TextEncoder();

type Seen = { text: string; byteLength: number; number: number; offset: number; digest: string };

function split(chunks: readonly (string | Uint8Array)[], lineBytesMax = 1024, finish = true): Seen[] {
  const splitter = new LineSplitter(lineBytesMax);
  const seen: Seen[] = [];
  const note = (line: { bytes: Uint8Array; byteLength: number; number: number; offset: number; digest: Uint8Array }) =>
    seen.push({
      text: new TextDecoder().decode(line.bytes),
      byteLength: line.byteLength,
      number: line.number,
      offset: line.offset,
      digest: Buffer.from(line.digest).toString("hex"),
    });
  for (const chunk of chunks) {
    const bytes = typeof chunk === "string" ? encoder.encode(chunk) : chunk.slice();
    for (const line of splitter.push(bytes)) note(line);
    // The caller reads the next chunk into the same memory.
    bytes.fill(0x58);
  }
  const last = finish ? splitter.finish() : undefined;
  if (last !== undefined) note(last);
  return seen;
}

describe("lines", () => {
  test("have their number and their offset, empty lines too", () => {
    expect(split(["one\n\nthree\n"]).map(({ text, number, offset }) => [text, number, offset])).toEqual([
      ["one", 1, 0],
      ["", 2, 4],
      ["three", 3, 5],
    ]);
  });

  test("are the same wherever the chunks are cut", () => {
    const text = "first line\nsecond, longer line\n\nlast without end";
    const whole = split([text]);
    for (let at = 1; at < text.length; at += 1) expect(split([text.slice(0, at), text.slice(at)])).toEqual(whole);
    expect(split([...text])).toEqual(whole);
    expect(whole.length).toBe(4);
  });

  test("a line without its end waits, until nothing more can come", () => {
    expect(split(["one\ntwo"], 1024, false).length).toBe(1);
    expect(split(["one\ntwo"], 1024, true).map(({ text }) => text)).toEqual(["one", "two"]);
    expect(split(["one\n"]).length).toBe(1);
  });

  test("overlong lines are cut, and their length is known", () => {
    const lines = split(["abcdef", "ghij\nkl\n"], 4);
    expect(lines.map(({ text, byteLength, offset }) => [text, byteLength, offset])).toEqual([
      ["abcd", 10, 0],
      ["kl", 2, 11],
    ]);
  });

  test("an endless line is held only up to the limit", () => {
    const splitter = new LineSplitter(1000);
    const chunk = new Uint8Array(1024 * 1024).fill(0x61);
    for (let n = 0; n < 64; n += 1) for (const _ of splitter.push(chunk)) throw new Error("no line ends here");
    const line = splitter.finish();
    expect(line?.byteLength).toBe(64 * 1024 * 1024);
    expect(line?.bytes.byteLength).toBe(1000);
  });
});

describe("the digest of a line", () => {
  const digests = (text: string, lineBytesMax?: number) => split([text], lineBytesMax).map(({ digest }) => digest);

  test("depends on all lines before it, and on none after", () => {
    const [a, b] = digests("a\nb\n");
    expect(digests("a\nb\nc\n").slice(0, 2)).toEqual([String(a), String(b)]);
    expect(digests("x\nb\n")[1]).not.toBe(b);
  });

  test("tells equal lines at different places apart", () => {
    expect(new Set(digests("a\na\na\n")).size).toBe(3);
  });

  test("does not depend on the line's end, which may be written later", () => {
    expect(digests("a\nb")).toEqual(digests("a\nb\n"));
  });

  test("covers what the limit cuts off, and does not depend on the limit", () => {
    expect(digests("abcdef\n", 3)).toEqual(digests("abcdef\n"));
    expect(digests("abcdef\n", 3)).not.toEqual(digests("abcxyz\n", 3));
  });

  test("tells where lines end: the same letters in other lines are another file", () => {
    expect(digests("ab\nc\n")[1]).not.toBe(digests("a\nbc\n")[1]);
  });
});
