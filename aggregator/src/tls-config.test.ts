import { beforeAll, describe, expect, test } from "bun:test";
import { Authority, type Certificate } from "../test/harness/certificates.ts";
import { ConfigError } from "./config-error.ts";
import { readBrokerTls, readDatabaseLink, type TlsVariable } from "./tls-config.ts";

let authority: string;
let one: Certificate;
let other: Certificate;

beforeAll(async () => {
  const ours = await Authority.make();
  authority = ours.certificate;
  [one, other] = await Promise.all([ours.sign(), ours.sign()]);
});

type Variables = Partial<Record<TlsVariable, string>>;
const reader = (variables: Variables) => (name: TlsVariable) => variables[name] ?? "";

function complaint(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("nothing was wrong");
}

describe("TLS to Redis", () => {
  const read = (url: string, variables: Variables) => readBrokerTls(url, reader(variables));

  test("follows from the URL, and judges the whole certificate", () => {
    expect(read("redis://h", {})).toBeUndefined();
    expect(read("rediss://h", {})).toEqual({ verify: "name", authorities: undefined, identity: undefined });
    expect(read("rediss://h", { BROKER_CA: authority, BROKER_CERT: one.certificate, BROKER_KEY: one.key })).toEqual({
      verify: "name",
      authorities: authority,
      identity: one,
    });
  });

  test("several authorities may be trusted", () => {
    const both = `${authority}\n${one.certificate}`;
    expect(read("rediss://h", { BROKER_CA: both })?.authorities).toBe(both);
  });

  test("that is set up for a plain link is refused: it would not be encrypted", () => {
    expect(complaint(() => read("redis://h", { BROKER_CA: authority }))).toBe(
      "BROKER_CA is set, but BROKER_URL begins with redis://; with TLS it is rediss://",
    );
  });

  test("what is no certificate, or no key of it, is named and not shown", () => {
    const wrong: [Variables, string][] = [
      [{ BROKER_CA: "secret" }, "BROKER_CA holds no certificate in PEM"],
      [
        { BROKER_CA: `${authority}\n-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----` },
        "BROKER_CA holds a certificate, number 2, that can't be read",
      ],
      [{ BROKER_CERT: one.certificate }, "BROKER_CERT is set, but BROKER_KEY is not"],
      [{ BROKER_KEY: one.key }, "BROKER_KEY is set, but BROKER_CERT is not"],
      [
        { BROKER_CERT: one.certificate, BROKER_KEY: other.key },
        "BROKER_KEY is the key of another certificate; it takes the private key of BROKER_CERT",
      ],
      [
        { BROKER_CERT: one.certificate, BROKER_KEY: "secret" },
        "BROKER_KEY holds no private key in PEM, or one with a passphrase; it takes the private key of BROKER_CERT",
      ],
    ];
    for (const [variables, message] of wrong) expect(complaint(() => read("rediss://h", variables))).toBe(message);
  });
});

describe("TLS to Postgres", () => {
  const read = (query: string, variables: Variables = {}) => {
    return readDatabaseLink(`postgres://u:p%40@h:1/d${query}`, reader(variables));
  };

  test("is what sslmode says, as libpq means it; the driver never sees sslmode", () => {
    const trusting = { DATABASE_CA: authority };
    const judged = (query: string, variables?: Variables) => read(query, variables).tls?.verify;
    expect(judged("")).toBeUndefined();
    expect(judged("?sslmode=disable")).toBeUndefined();
    expect(judged("?sslmode=require")).toBe("nothing");
    expect(judged("?sslmode=require", trusting)).toBe("authority");
    expect(judged("?sslmode=verify-ca", trusting)).toBe("authority");
    expect(judged("?sslmode=verify-full")).toBe("name");
    expect(judged("?sslmode=verify-full", trusting)).toBe("name");
    expect(read("?sslmode=require&x=1").url).toBe("postgres://u:p%40@h:1/d?x=1");
    expect(read("?sslmode=disable").url).toBe("postgres://u:p%40@h:1/d");
  });

  test("that would not be what it seems is refused", () => {
    const prefer = complaint(() => read("?sslmode=prefer"));
    expect(prefer).toStartWith(
      'DATABASE_URL has sslmode="prefer"; it takes disable, require, verify-ca or verify-full',
    );
    expect(prefer).toContain("plain text");
    expect(complaint(() => read("?sslmode=yes"))).toContain(
      'DATABASE_URL has sslmode="yes"; it takes disable, require',
    );
    expect(complaint(() => read("?sslmode=verify-ca"))).toContain("DATABASE_CA is not set");
    expect(complaint(() => read("", { DATABASE_CA: authority }))).toContain("sslmode=verify-full does");
    expect(complaint(() => read("?ssl=true"))).toBe("DATABASE_URL has ssl; it takes sslmode");
    expect(complaint(() => read("?sslmode=require&sslrootcert=x"))).toContain("it takes DATABASE_CA_FILE");
  });
});
