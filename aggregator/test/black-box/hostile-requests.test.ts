/**
 * What no well-behaved client sends, byte for byte, and what each gets. After each of them the service takes a normal
 * event, and in the end it has neither grown nor logged a fault of its own.
 *
 * `cut` stands for a connection that is closed without an answer. Where the HTTP server below us decides, the table
 * says so honestly: `by Bun` is its answer, not one that we would have chosen.
 */
import { describe, expect, test } from "bun:test";
import { freshTopic, makeEvent } from "../harness/event-factory.ts";
import { chunked, dribbled, exchange, parseReply } from "../harness/raw-http.ts";
import { expectDiscreet, useTarget } from "./target.ts";

const target = useTarget();
const JSON_TYPE = "content-type: application/json\r\n";
const MEBIBYTE = 1024 * 1024;
/** Past every body limit that the tests may meet: the default is 5 MiB. */
const OVERSIZE_BYTES = 6 * MEBIBYTE;
/** At rest it is about 60 MiB; 5 MiB bodies are copied a few times before they are let go. */
const RESIDENT_BYTES_MAX = 400 * MEBIBYTE;

const cut = "cut";
type Answer = number | typeof cut;

/** One JSON text of so many bytes as `body` has, however often it is drawn. */
const body = JSON.stringify(makeEvent({ topic: freshTopic() }));
const length = Buffer.byteLength(body);
const inChunks = chunked([body]);

const lines = (headers: readonly string[]) => headers.map((each) => `${each}\r\n`).join("");
const head = (...headers: string[]) =>
  `POST /publish HTTP/1.1\r\nhost: x\r\n${JSON_TYPE}connection: close\r\n${lines(headers)}\r\n`;
const lengthOf = (value: number | string) => `content-length: ${value}`;
const CHUNKED = "transfer-encoding: chunked";
const get = (path: string, ...headers: string[]) =>
  `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${lines(headers)}\r\n`;

/** Statuses of all the answers on one connection, in their order. */
function statusesOf(text: string): Answer[] {
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
  return statuses.length === 0 ? [cut] : statuses;
}

async function expectServing(): Promise<void> {
  const event = makeEvent({ topic: "hostile.after" });
  const reply = await target.publisher.publishStored([event]);
  expect(reply).toMatchObject({ count: 1, unique: 1 });
}

interface Circumstances {
  /** The client closes its side of the connection after the last byte, as `nc -N` does. */
  readonly isEnded?: boolean;
  /** What is as right, where it depends on what TCP, or a proxy on the way, has passed on by then. */
  readonly orElse?: readonly Answer[];
}

async function expectAnswers(
  sent: string | readonly Uint8Array[],
  answers: readonly Answer[],
  { isEnded = false, orElse = answers }: Circumstances = {},
) {
  const text = await exchange(target.url, typeof sent === "string" ? [sent] : sent, { isEnded });
  expect([[...answers], [...orElse]]).toContainEqual(statusesOf(text));
  expectDiscreet(text);
  for (const reply of text.split(/(?=HTTP\/1\.1 )/).map(parseReply)) {
    if (reply.status >= 400 && reply.body !== "") {
      expect(reply.headers.get("content-type")).toBe("application/problem+json");
      expect(JSON.parse(reply.body.slice(0, Number(reply.headers.get("content-length"))))).toMatchObject({
        status: reply.status,
      });
    }
  }
  await expectServing();
}

describe("the length of a body", () => {
  test.each<[string, string, Answer[]]>([
    ["shorter than the body", head(lengthOf(length - 5)) + body, [400]],
    ["negative", head(lengthOf(-1)) + body, [400]],
    ["no number", head(lengthOf("abc")) + body, [400]],
    ["with a sign", head(lengthOf(`+${length}`)) + body, [400]],
    ["hexadecimal", head(lengthOf("0x10")) + body, [400]],
    ["empty", head(lengthOf("")) + body, [400]],
    ["twice, and different", head(lengthOf(length), lengthOf(2)) + body, [400]],
    ["twice, and different the other way round", head(lengthOf(2), lengthOf(length)) + body, [400]],
    ["twice, and the same", head(lengthOf(length), lengthOf(length)) + body, [200]],
    ["as a list", head(lengthOf(`${length}, ${length}`)) + body, [400]],
    ["a gigabyte, announced only", head(lengthOf(2 ** 30)) + body, [413]],
    ["past 64 bits", head(lengthOf("18446744073709551617")) + body, [400]],
    ["of 31 digits", head(lengthOf(`1${"0".repeat(30)}`)) + body, [400]],
    ["not given at all", head() + body, [400]],
    ["beside chunks (request smuggling)", head(lengthOf(length), CHUNKED) + inChunks, [400]],
    ["after chunks (request smuggling)", head(CHUNKED, lengthOf(length)) + inChunks, [400]],
  ])("%s", (_name, sent, answers) => expectAnswers(sent, answers));

  test.each<[string, string]>([
    ["longer than the body", head(lengthOf(length + 5)) + body],
    ["chunks without an end", `${head(CHUNKED)}${inChunks.slice(0, -5)}`],
    ["a head without an end", `POST /publish HTTP/1.1\r\nhost: x\r\n${JSON_TYPE}`],
  ])("%s, and then the client's end: cut, since nobody waits for an answer", (_name, sent) =>
    expectAnswers(sent, [cut], { isEnded: true }),
  );

  // By Bun: who closes its own side is taken for gone, unless a proxy on the way keeps that to itself until the answer
  // has passed. The event may be stored; a retry is a duplicate.
  test("a whole request, and then the client's end: cut, by Bun", () =>
    expectAnswers(head(lengthOf(length)) + body, [cut], { isEnded: true, orElse: [200] }));
});

describe("a body that is too large", () => {
  const next = get("/healthz");
  // If what was not read of it were taken for requests, there would be answers to these.
  const whole = Buffer.from(next.repeat(Math.ceil(OVERSIZE_BYTES / next.length)).slice(0, OVERSIZE_BYTES));
  const pieces = Array.from({ length: OVERSIZE_BYTES / 65_536 }, (_, index) =>
    whole.toString("latin1", index * 65_536, (index + 1) * 65_536),
  );
  const persistent = (sent: string) => Buffer.from(sent.replace("connection: close\r\n", ""));

  // Bun reads the rest and throws it away. A connection that is closed with unread bytes may lose its answer to the
  // reset that follows (RFC 9112, section 9.6): behind a proxy the sender got 502, and would have tried again for ever.
  test.each<[string, Uint8Array[]]>([
    ["by its length", [persistent(head(lengthOf(OVERSIZE_BYTES))), whole, Buffer.from(next)]],
    ["by its chunks", [persistent(head(CHUNKED)), Buffer.from(chunked(pieces)), Buffer.from(next)]],
  ])("%s is refused, and the next request is the next one", (_name, sent) => expectAnswers(sent, [413, 200]));
});

describe("chunks", () => {
  const size = length.toString(16);
  test.each<[string, string, Answer[]]>([
    ["with an extension", `${size};a=b\r\n${body}\r\n0\r\n\r\n`, [200]],
    ["one byte each", chunked(Array.from(body)), [200]],
    ["with a trailer, by Bun", `${size}\r\n${body}\r\n0\r\nx: y\r\n\r\n`, [400]],
    ["of a size that is none", `zz\r\n${body}\r\n0\r\n\r\n`, [400]],
    ["of a negative size", `-5\r\n${body}\r\n0\r\n\r\n`, [400]],
    ["of a size past 64 bits", `ffffffffffffffff1\r\n${body}\r\n0\r\n\r\n`, [400]],
    ["longer than they said", `2\r\n${body}\r\n0\r\n\r\n`, [400]],
  ])("%s", (_name, sent, answers) => expectAnswers(head(CHUNKED) + sent, answers));

  test.each(["identity", "gzip, chunked", "xchunked", "chunked, chunked"])("named %s", (encoding) =>
    expectAnswers(head(`transfer-encoding: ${encoding}`) + inChunks, [400]),
  );
});

describe("what a body is", () => {
  const post = (text: string | Uint8Array) => [Buffer.from(head(lengthOf(Buffer.byteLength(text)))), Buffer.from(text)];
  const deep = (open: string, close: string) => open.repeat(100_000) + close.repeat(100_000);

  test.each<[string, string | Uint8Array, Answer]>([
    ["an array of 100,000 levels", deep("[", "]"), 422],
    ["an object of 100,000 levels", `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`, 422],
    ["100,000 levels without an end", "[".repeat(100_000), 422],
    ["a number of a million digits", body.replace('"payload":{', `"payload":{"n":${"9".repeat(1_000_000)},`), 422],
    ["a string of 4 MiB as its topic", JSON.stringify({ ...makeEvent(), topic: "x".repeat(4 * MEBIBYTE) }), 422],
    ["100,000 events that are none", `[${"0,".repeat(99_999)}0]`, 413],
    ["NUL bytes", Buffer.alloc(1000), 400],
    ["bytes that are not UTF-8", Buffer.alloc(1000, 0xff), 400],
    ["UTF-16", Buffer.from(`\ufeff${body}`, "utf16le"), 400],
    ["gzip that does not say so", Bun.gzipSync(body), 400],
  ])("%s", (_name, text, answer) => expectAnswers(post(text), [answer]));

  const gzipped = Bun.gzipSync(body);
  test.each<[string, string, Uint8Array, Answer]>([
    ["gzip that says so", "gzip", gzipped, 200],
    ["gzip that is cut short", "gzip", gzipped.subarray(0, -9), 400],
    ["no gzip that says it is", "gzip", Buffer.from(body), 400],
    ["gzip of far more than is taken", "gzip", Bun.gzipSync(Buffer.alloc(64 * MEBIBYTE)), 413],
    ["a coding that nobody knows", "rot13", Buffer.from(body), 415],
  ])("%s", (_name, coding, bytes, answer) =>
    expectAnswers([Buffer.from(head(lengthOf(bytes.length), `content-encoding: ${coding}`)), bytes], [answer]),
  );
});

describe("the request line", () => {
  const line = (text: string) => `${text}\r\nhost: x\r\nconnection: close\r\n\r\n`;

  test.each<[string, string, Answer[]]>([
    ["a method that is none, by Bun", line("BREW /publish HTTP/1.1"), [cut]],
    ["a method in lower case, by Bun", line("post /publish HTTP/1.1"), [cut]],
    ["TRACE", line("TRACE /publish HTTP/1.1"), [405]],
    ["CONNECT", line("CONNECT x:80 HTTP/1.1"), [404]],
    ["an absolute form", line("GET http://elsewhere.example/events?topic=a HTTP/1.1"), [200]],
    ["an asterisk, by Bun", line("OPTIONS * HTTP/1.1"), [400]],
    ["HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]],
    ["HTTP/1.0 without a host", "GET /events?topic=a HTTP/1.0\r\n\r\n", [200]],
    ["a NUL in the path, by Bun", line("GET /events\0?topic=a HTTP/1.1"), [505]],
    ["no carriage returns, by Bun", "GET /healthz HTTP/1.1\nhost: x\n\n", [505]],
    ["a path of two slashes", line("GET //events?topic=a HTTP/1.1"), [404]],
    ["a path out of the root", line("GET /../../events?topic=a HTTP/1.1"), [200]],
    ["a per cent sign that is no escape", line("GET /% HTTP/1.1"), [404]],
    ["the same in a named part", line("GET /events/%/% HTTP/1.1"), [422]],
    ["bytes that are not UTF-8 in a named part", line("GET /events/%ff%fe/%c0%80 HTTP/1.1"), [422]],
    ["a query of 15 kB", line(`GET /events?topic=${"a".repeat(15_000)} HTTP/1.1`), [422]],
    ["a query of 20 kB", line(`GET /events?topic=${"a".repeat(20_000)} HTTP/1.1`), [431]],
    ["a query of 3,000 parameters", line(`GET /events?${"a&".repeat(3_000)} HTTP/1.1`), [422]],
    ["junk", "\0\x01\x02\r\n\r\n", [400]],
  ])("%s", (_name, sent, answers) => expectAnswers(sent, answers));
});

describe("headers", () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => `h${index}: 1`);

  test.each<[string, string, Answer[]]>([
    ["no Host in HTTP/1.1", "GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n", [400]],
    ["100 of them", get("/healthz", ...many(100)), [200]],
    ["5,000 of them", get("/healthz", ...many(5_000)), [431]],
    ["one of 10 MB", get("/healthz", `x: ${"x".repeat(10_000_000)}`), [431]],
    ["one without a colon", get("/healthz", "nocolon"), [400]],
    ["one over two lines", get("/healthz", "a: b\r\n c"), [400]],
    ["one with a NUL", get("/healthz", "a: \0"), [400]],
    ["one with a space in its name", get("/healthz", "a b: c"), [400]],
    ["Expect: 100-continue", head(lengthOf(length), "expect: 100-continue") + body, [100, 200]],
    ["an upgrade to WebSocket", get("/stats", "upgrade: websocket", "sec-websocket-version: 13"), [200]],
    ["a body where none belongs", `${get("/healthz", lengthOf(5))}hello`, [200]],
  ])("%s", (_name, sent, answers) => expectAnswers(sent, answers));

  const hosts = ["a b", "[", "[::1", "a/b", "a?b", "a#b", "%", "a:99999", "é", "a@b", "\\", "x:y", " ", "<>"];
  test.each(hosts)("the Host %s, which is none, changes nothing", async (host) => {
    const withHost = (request: string) => request.replace("host: x", `host: ${host}`);
    await expectAnswers(withHost(get("/events?topic=a&limit=1")), [200]);
    await expectAnswers(`${withHost(head(lengthOf(2)))}[]`, [200]);
    await expectAnswers(withHost("DELETE /events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"), [405]);
  });
});

describe("several requests on one connection", () => {
  const kept = (text: string) => text.replace("connection: close\r\n", "");

  test.each<[string, string, Answer[]]>([
    [
      "are answered in their order",
      `${kept(head(lengthOf(2)))}[]${kept(head(lengthOf(1)))}{${get("/stats")}`,
      [200, 400, 200],
    ],
    ["end with the first that is junk", `${kept(get("/healthz"))}JUNK JUNK JUNK\r\n\r\n`, [200, 400]],
    [
      "are no more than there are: a refused body is read",
      kept(head(lengthOf(length))).replace("json", "xml") + body + get("/healthz"),
      [415, 200],
    ],
    ["100 at once", kept(get("/healthz")).repeat(99) + get("/healthz"), Array.from({ length: 100 }, () => 200)],
  ])("%s", (_name, sent, answers) => expectAnswers(sent, answers));
});

/** Bun grants a head about 11 s, however steadily it drips, and a body about a minute. */
test("a connection that says nothing, or never ends its head, is cut off", async () => {
  const bound = { milliseconds: 45_000 };
  const connections = [
    exchange(target.url, [], bound),
    exchange(target.url, dribbled("GET /healthz HTTP/1.1\r\nhost: x\r\nx: ", "x"), bound),
  ];
  expect(await Promise.all(connections)).toEqual(["", ""]);
});

test("200 connections that wait for nothing are no burden to others", async () => {
  const lingering = Array.from({ length: 200 }, () =>
    exchange(target.url, [head(lengthOf(length)).slice(0, 60)], { milliseconds: 45_000 }),
  );
  for (let publishes = 0; publishes < 20; publishes += 1) await expectServing();
  expect((await Promise.all(lingering)).every((text) => text === "")).toBe(true);
});

test("and after all of that it has found no fault of its own, and has not grown", () => {
  expect(target.faults).toEqual([]);
  expect(target.residentBytes ?? 0).toBeLessThan(RESIDENT_BYTES_MAX);
});
