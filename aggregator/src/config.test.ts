import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigError, type Environment, readConfig, VARIABLES } from "./config.ts";

const noFile = (path: string): string => {
  throw new Error(`no such file: ${path}`);
};

function read(environment: Environment, readFile = noFile) {
  return readConfig(environment, readFile);
}

function complaint(environment: Environment, readFile = noFile): string {
  try {
    read(environment, readFile);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("nothing was wrong");
}

describe("an empty environment", () => {
  test("gives the documented defaults", () => {
    expect(read({})).toEqual({
      databaseUrl: "postgres://admin@127.0.0.1:5432/logs_db",
      databaseTls: undefined,
      databaseSchema: "public",
      brokerUrl: "redis://127.0.0.1:6379",
      brokerTls: undefined,
      keyPrefix: "sekali",
      host: "0.0.0.0",
      port: 8080,
      httpTls: undefined,
      publishedHost: undefined,
      access: "open",
      roles: new Set(["api", "worker"] as const),
      workers: 5,
      shards: 8,
      bodyBytesMax: 5 * 1024 * 1024,
      batchEventsMax: 10_000,
      queueEventsMax: 2_000_000,
      queueBytesMax: 512 * 1024 * 1024,
      topicsMax: 1000,
      subscribersMax: 2000,
      retentionDays: undefined,
      auditRetentionDays: 30,
      otlpTopic: "{service.name}.{severity}",
      otlpIdentity: "random",
      tracing: undefined,
      startupTimeoutSeconds: 60,
      logLevel: "info",
    });
  });

  test("is the same as one in which every variable is empty", () => {
    const empty = Object.fromEntries(VARIABLES.flatMap(([name]) => [name, `${name}_FILE`].map((each) => [each, ""])));
    expect(read(empty)).toEqual(read({}));
  });

  test("is the same as one in which every default is written out", () => {
    expect(read(Object.fromEntries(VARIABLES.map(([name, value]) => [name, value])))).toEqual(read({}));
  });

  test("can't be changed once it is read", () => {
    expect(Object.isFrozen(read({}))).toBe(true);
  });
});

describe("a value", () => {
  test.each([
    ["PORT", "0", "port", 0],
    ["PORT", "65535", "port", 65_535],
    ["WORKERS", "64", "workers", 64],
    ["SHARDS", "1", "shards", 1],
    ["BODY_BYTES_MAX", "1024", "bodyBytesMax", 1024],
    ["BATCH_EVENTS_MAX", "1", "batchEventsMax", 1],
    ["TOPICS_MAX", "100000", "topicsMax", 100_000],
    ["RETENTION_DAYS", "36500", "retentionDays", 36_500],
    ["AUDIT_RETENTION_DAYS", "3650", "auditRetentionDays", 3650],
    ["STARTUP_TIMEOUT_S", "3600", "startupTimeoutSeconds", 3600],
    ["LOG_LEVEL", "DEBUG", "logLevel", "debug"],
    ["DATABASE_SCHEMA", "sekali_2", "databaseSchema", "sekali_2"],
    ["KEY_PREFIX", "a.B-c_d:1", "keyPrefix", "a.B-c_d:1"],
    ["HOST", "127.0.0.1", "host", "127.0.0.1"],
    ["ROLES", "worker", "roles", new Set(["worker"])],
    ["ROLES", " worker , api ", "roles", new Set(["api", "worker"])],
    ["DATABASE_URL", "postgresql://u@h/d", "databaseUrl", "postgresql://u@h/d"],
    ["BROKER_URL", "rediss://h:1", "brokerUrl", "rediss://h:1"],
  ] as const)("%s=%s is taken", (name, value, field, expected) => {
    const taken: unknown = read({ [name]: value })[field];
    expect(taken).toEqual(expected);
  });

  test.each([
    ["PORT", "65536", "a whole number from 0 to 65535"],
    ["PORT", "-1", "a whole number from 0 to 65535"],
    ["PORT", "8080.5", "a whole number from 0 to 65535"],
    ["PORT", "0x10", "a whole number from 0 to 65535"],
    ["PORT", "http", "a whole number from 0 to 65535"],
    ["WORKERS", "0", "a whole number from 1 to 64"],
    ["WORKERS", "65", "a whole number from 1 to 64"],
    ["SHARDS", "0", "a whole number from 1 to 1024"],
    ["SHARDS", "1025", "a whole number from 1 to 1024"],
    ["BODY_BYTES_MAX", "1023", "a whole number from 1024 to 67108864"],
    ["BODY_BYTES_MAX", "67108865", "a whole number from 1024 to 67108864"],
    ["BATCH_EVENTS_MAX", "0", "a whole number from 1 to 100000"],
    ["BATCH_EVENTS_MAX", "1e3", "a whole number from 1 to 100000"],
    ["QUEUE_EVENTS_MAX", "0", "a whole number from 1 to 1000000000"],
    ["QUEUE_BYTES_MAX", "1000", "a whole number from 1024 to 1099511627776"],
    ["TOPICS_MAX", "100001", "a whole number from 1 to 100000"],
    ["RETENTION_DAYS", "0", "a whole number from 1 to 36500"],
    ["AUDIT_RETENTION_DAYS", "0", "a whole number from 1 to 3650"],
    ["RETENTION_DAYS", "30d", "a whole number from 1 to 36500"],
    ["STARTUP_TIMEOUT_S", "3601", "a whole number from 1 to 3600"],
    ["STARTUP_TIMEOUT_S", `1${"0".repeat(20)}`, "a whole number from 1 to 3600"],
    ["LOG_LEVEL", "trace", "debug, info, warn or error"],
    ["ROLES", "api,", "api, worker or api,worker"],
    ["ROLES", "reader", "api, worker or api,worker"],
    ["DATABASE_SCHEMA", 'a"; DROP', "a name that matches"],
    ["DATABASE_SCHEMA", "Upper", "a name that matches"],
    ["KEY_PREFIX", "a{b}", "a name that matches"],
    ["KEY_PREFIX", "a".repeat(65), "a name that matches"],
  ] as const)("%s=%s is refused by name, with what it got and what it takes", (name, value, takes) => {
    expect(complaint({ [name]: value })).toStartWith(`${name} is ${JSON.stringify(value)}; it takes ${takes}`);
  });
});

describe("a …_FILE variable", () => {
  const files: Readonly<Record<string, string>> = { "/run/secrets/db": "p@ss w/:%\n", "/run/port": "9000\n" };
  const readFile = (path: string) => files[path] ?? noFile(path);

  test("names a file that holds the value, white space around it apart", () => {
    expect(read({ PORT_FILE: "/run/port" }, readFile).port).toBe(9000);
  });

  test("fills in a password so that the driver reads it back as it is", () => {
    const { databaseUrl, brokerUrl } = read(
      { DATABASE_PASSWORD_FILE: "/run/secrets/db", BROKER_PASSWORD_FILE: "/run/secrets/db" },
      readFile,
    );
    for (const url of [databaseUrl, brokerUrl]) {
      expect(decodeURIComponent(new URL(url).password)).toBe("p@ss w/:%");
    }
    expect(new URL(databaseUrl).username).toBe("admin");
  });

  test("is refused beside the variable itself", () => {
    expect(complaint({ PORT: "1", PORT_FILE: "/run/port" }, readFile)).toBe("PORT and PORT_FILE are both set; set one");
  });

  test("that names no file is refused by its name, its path and the reason", () => {
    expect(complaint({ BROKER_PASSWORD_FILE: "/run/none" }, readFile)).toBe(
      'BROKER_PASSWORD_FILE names "/run/none", which can\'t be read: no such file: /run/none',
    );
  });
});

describe("a password", () => {
  test("in a URL stays, whatever the password variable says", () => {
    expect(read({ DATABASE_URL: "postgres://u:own@h/d", DATABASE_PASSWORD: "other" }).databaseUrl).toBe(
      "postgres://u:own@h/d",
    );
  });

  test.each([
    ["DATABASE_URL", "postgress://u:hunter2@h/d"],
    ["DATABASE_URL", "u:hunter2@h/d"],
    ["DATABASE_URL", "http://u:hunter2@h/d"],
    ["DATABASE_URL", "postgres://u:hunter2@:99999/d"],
    ["BROKER_URL", "redis:/:hunter2@h"],
    ["BROKER_URL", "amqp://:hunter2@h"],
  ])("is not shown where %s is wrong: %s", (name, value) => {
    const message = complaint({ [name]: value });
    expect(message).toStartWith(`${name} is not a URL of the form `);
    expect(message).not.toContain("hunter2");
  });

  test("is not shown where another variable is wrong", () => {
    const secrets = { DATABASE_PASSWORD: "hunter2", BROKER_URL: "redis://:hunter2@h", BROKER_PASSWORD: "hunter2" };
    expect(complaint({ ...secrets, PORT: "no" })).not.toContain("hunter2");
  });
});

describe("the queue's bounds leave room for one request in each shard", () => {
  test("of events", () => {
    expect(read({ SHARDS: "4", BATCH_EVENTS_MAX: "100", QUEUE_EVENTS_MAX: "400" }).queueEventsMax).toBe(400);
    const message = complaint({ SHARDS: "4", BATCH_EVENTS_MAX: "100", QUEUE_EVENTS_MAX: "399" });
    expect(message).toStartWith(
      "QUEUE_EVENTS_MAX is 399; with 4 shards and BATCH_EVENTS_MAX 100 it takes at least 400",
    );
  });

  test("of bytes", () => {
    expect(read({ SHARDS: "4", BODY_BYTES_MAX: "2048", QUEUE_BYTES_MAX: "8192" }).queueBytesMax).toBe(8192);
    const message = complaint({ SHARDS: "4", BODY_BYTES_MAX: "2048", QUEUE_BYTES_MAX: "8191" });
    expect(message).toStartWith(
      "QUEUE_BYTES_MAX is 8191; with 4 shards and BODY_BYTES_MAX 2048 it takes at least 8192",
    );
  });
});

describe("the list of variables", () => {
  const repositoryFile = (name: string) => readFileSync(join(import.meta.dir, "../..", name), "utf8");
  const names = VARIABLES.map(([name]) => name);

  test("is the README's", () => {
    const table = repositoryFile("README.md")
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .join("\n");
    expect(names.filter((name) => !table.includes(`\`${name}\``))).toEqual([]);
  });

  test("reaches the aggregator in compose.yaml, but for what that file decides by itself", () => {
    // Links inside of it are no business of an operator's.
    const decided = /^(DATABASE|BROKER)_(CA|CERT|KEY|SCHEMA)$|^(KEY_PREFIX|HOST|PORT|ROLES|STARTUP_TIMEOUT_S)$/;
    const compose = ["compose.yaml", "compose.tls.yaml"].map(repositoryFile).join("\n");
    const missing = names.filter((name) => !new RegExp(`^ +${name}(_FILE)?:`, "m").test(compose));
    expect(missing.filter((name) => !decided.test(name))).toEqual([]);
  });
});
