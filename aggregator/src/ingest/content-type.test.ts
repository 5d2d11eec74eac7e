import { expect, test } from "bun:test";
import { readContentType } from "./content-type.ts";

test.each([
  ["application/json", "application/json"],
  ["Application/JSON ; Charset=UTF-8", "application/json"],
  ['application/json; boundary=x; charset="utf-8"', "application/json"],
  ["application/x-ndjson;charset=utf8", "application/x-ndjson"],
  ["", ""],
])("%s is UTF-8", (header, type) => {
  expect(readContentType(header)).toEqual({ type, isUtf8: true });
});

test.each(["iso-8859-1", "utf-16", "us-ascii", "utf-7", "", '"'])("charset=%s is none", (charset) => {
  expect(readContentType(`application/json; charset=${charset}`).isUtf8).toBe(false);
});
