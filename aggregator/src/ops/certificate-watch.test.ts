import { afterEach, beforeAll, beforeEach, expect, jest, test } from "bun:test";
import { recordedLog } from "../../test/fakes/recorded-log.ts";
import { Authority } from "../../test/harness/certificates.ts";
import { CertificateWatch, type ShownCertificates } from "./certificate-watch.ts";

const DAY_MS = 86_400_000;

let signed: string;
let authority: string;
let expiresAtMs: number;
let now: number;
let recorded: ReturnType<typeof recordedLog>;

beforeAll(async () => {
  const maker = await Authority.make();
  authority = maker.certificate;
  signed = (await maker.sign()).certificate;
  [[, expiresAtMs] = ["", 0]] = watching({ https: signed }).expiries;
});
beforeEach(() => {
  jest.useFakeTimers();
  recorded = recordedLog();
});
afterEach(() => jest.useRealTimers());

function watching(shown: Partial<ShownCertificates>): CertificateWatch {
  const none = { https: undefined, database: undefined, broker: undefined };
  return new CertificateWatch(() => ({ ...none, ...shown }), recordedLog().log);
}

/** One that is so many days before the end. */
function watchAt(days: number, shown: ShownCertificates): CertificateWatch {
  now = expiresAtMs - days * DAY_MS;
  return new CertificateWatch(
    () => shown,
    recorded.log,
    () => now,
  );
}

const HTTPS = () => ({ https: signed, database: undefined, broker: undefined });
const expires = () => new Date(expiresAtMs).toISOString();

test("each that is shown has its expiry, which is that of the first in the file", () => {
  expect(expiresAtMs).toBeGreaterThan(Date.now() + 29 * DAY_MS);
  const chain = `${signed}\n${authority}`;
  expect(watching({ https: chain, broker: signed }).expiries).toEqual([
    ["https", expiresAtMs],
    ["broker", expiresAtMs],
  ]);
  expect(watching({}).expiries).toEqual([]);
});

test("nothing is said while there are two weeks left, a warning from there on, an error past the end", () => {
  watchAt(14, HTTPS()).look();
  expect(recorded.lines).toEqual([]);
  watchAt(13.9, HTTPS()).look();
  watchAt(0.5, { ...HTTPS(), https: undefined, database: signed }).look();
  watchAt(-1, HTTPS()).look();
  expect(recorded.lines).toEqual([
    { level: "warn", certificate: "https", expires: expires(), days: 13, msg: "Certificate expires soon" },
    { level: "warn", certificate: "database", expires: expires(), days: 0, msg: "Certificate expires soon" },
    { level: "error", certificate: "https", expires: expires(), msg: "Certificate has expired" },
  ]);
});

test("it is said at the start and once a day, of what is shown by then, and not after the stop", () => {
  let shown = HTTPS();
  now = expiresAtMs - 14.5 * DAY_MS;
  const watch = new CertificateWatch(
    () => shown,
    recorded.log,
    () => now,
  );
  const pass = (days: number) => {
    now += days * DAY_MS;
    jest.advanceTimersByTime(days * DAY_MS);
  };
  watch.start();
  expect(recorded.lines).toEqual([]);
  pass(1);
  pass(1);
  expect(recorded.at("warn").map(({ days }) => days)).toEqual([13, 12]);
  shown = { ...shown, https: undefined as never };
  pass(1);
  expect(recorded.lines).toHaveLength(2);
  shown = HTTPS();
  watch.stop();
  pass(1);
  expect(recorded.lines).toHaveLength(2);
});
