import { expect, test } from "bun:test";
import { parseRecords } from "./exact-json.ts";

const PAYLOAD = '{"a":1.10,"b":[12345678901234567890,-0,1e400],"c":"1.10","d":{"e":null,"f":true}}';
const RECORD = `{"topic":"t","seq":7,"payload":${PAYLOAD}}`;

test("numbers of a payload keep their digits, other numbers are numbers", () => {
  const [first, second] = parseRecords(`[${RECORD},${RECORD}]`) as { seq: number; payload: unknown }[];
  expect(JSON.stringify(second?.payload)).toBe(PAYLOAD);
  expect(first?.seq).toBe(7);
});

test("a record alone is read the same way", () => {
  expect(JSON.stringify(parseRecords(RECORD))).toBe(RECORD);
});

test("a record without a payload has none", () => {
  expect(JSON.stringify(parseRecords('[{"seq":1}]'))).toBe('[{"seq":1}]');
});
