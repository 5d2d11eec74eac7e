/** Keys for tests: made in the store itself, as `aggregator keys create` makes them, but of any kind. */
import { digestOf, makeKeyText } from "../../src/access/key-text.ts";
import { Database } from "../../src/store/database.ts";
import type { KeyDefinition } from "../../src/store/key-port.ts";
import { PostgresKeyStore } from "../../src/store/key-store.ts";
import { request } from "../harness/http-client.ts";
import type { Stack } from "../harness/stack.ts";

export interface TestKeys extends AsyncDisposable {
  /** Makes a key that is good for everything, but for what is said. @returns its text. */
  make(over?: Partial<KeyDefinition>): Promise<string>;
  revoke(name: string): Promise<void>;
}

let made = 0;

/** @param stack one of which an aggregator has started: the tables must be there. */
export function keysOf(stack: Pick<Stack, "name" | "postgres">): TestKeys {
  const database = new Database({ url: stack.postgres.url, schema: stack.name, name: "test keys", connectionsMax: 1 });
  const store = new PostgresKeyStore(database);
  return {
    async make(over = {}) {
      made += 1;
      const text = makeKeyText();
      const usual = {
        name: `key-${made}`,
        scopes: ["publish", "read", "admin"],
        topics: [">"],
        quota: undefined,
        expiresInMs: undefined,
      } as const;
      const outcome = await store.makeKey({ ...usual, digest: digestOf(text) ?? "", ...over });
      if (outcome !== "made") throw new Error(`the key is ${outcome}`);
      return text;
    },
    async revoke(name) {
      const outcome = await store.revokeKey(name);
      if (outcome !== "revoked") throw new Error(`the key ${name} is ${outcome}`);
    },
    [Symbol.asyncDispose]: () => database.close(1),
  };
}

/** One request with a key. */
export async function ask(key: string, url: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${key}`);
  return await request(url, { ...init, headers });
}

export async function send(key: string, url: string, body: unknown, type = "application/json"): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return await ask(key, url, { method: "POST", body: text, headers: { "content-type": type } });
}
