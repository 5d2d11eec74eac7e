import { describe, expect, test } from "bun:test";
import { recordedLog } from "../../test/fakes/recorded-log.ts";
import { RequestError } from "../problem.ts";
import type { Scope } from "../route.ts";
import type { LiveKey } from "../store/key-port.ts";
import { StoreAway } from "../store/port.ts";
import { ANYBODY, EVERYBODY } from "./caller.ts";
import { KeyGate, OPEN_GATE, readKeyText } from "./gate.ts";
import { digestOf, makeKeyText } from "./key-text.ts";
import { Keyring } from "./keyring.ts";

const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;

describe("the key in a header", () => {
  test.each([
    ["Bearer abc", "abc"],
    ["bearer abc", "abc"],
    ["BEARER   abc ", "abc"],
    [basic("anybody:abc"), "abc"],
    [basic(":abc"), "abc"],
    [basic("abc:"), "abc"],
    [basic("user:a:b"), "a:b"],
    [basic("abc"), ""],
    ["Bearer", ""],
    ["Bearer ", ""],
    ["abc", ""],
    ["Digest abc", ""],
    ["Bearer abc, Bearer def", ""],
    ["Bearer abc def", ""],
    ["Basic !!!", ""],
    ["", ""],
  ])("%j is %j", (header, text) => {
    expect(readKeyText(header)).toBe(text);
  });
});

const text = makeKeyText();
const live: LiveKey = {
  id: 1,
  name: "reader",
  digest: digestOf(text) ?? "",
  scopes: ["read", "publish"],
  topics: ["user.>"],
  quota: undefined,
  expiresInMs: undefined,
};

async function gateWith(keys: readonly LiveKey[], read = async () => keys) {
  const keyring = new Keyring({ liveKeys: read, noteUse: async () => undefined }, recordedLog().log);
  await keyring.refresh().catch(() => undefined);
  const gate = new KeyGate(keyring);
  gate.open(new Uint8Array(32));
  return gate;
}

async function problem(gate: KeyGate, scope: Scope, header?: string, url = "http://test/stats") {
  const headers: Record<string, string> = header === undefined ? {} : { authorization: header };
  try {
    await gate.admit(new Request(url, { headers }), scope);
  } catch (error) {
    if (error instanceof RequestError) return error.problem;
    throw error;
  }
  throw new Error("it was let in");
}

describe("a gate that asks for keys", () => {
  test("lets a key in where it has the scope, and says whose topics those are", async () => {
    const gate = await gateWith([live]);
    const caller = await gate.admit(
      new Request("http://test/stats", { headers: { authorization: `Bearer ${text}` } }),
      "read",
    );
    expect(caller).toMatchObject({ name: "reader", topics: ["user.>"], allowsAll: false });
    expect(["user.auth", "user", "shop.cart"].map((topic) => caller.allows(topic))).toEqual([true, false, false]);
  });

  test("challenges who has none, and does not look at the URL", async () => {
    const gate = await gateWith([live]);
    for (const url of ["http://test/stats", `http://test/stats?key=${text}`, `http://${text}@test/stats`]) {
      const found = await problem(gate, "read", undefined, url);
      expect(found).toMatchObject({ status: 401, headers: { "www-authenticate": 'Bearer realm="sekali"' } });
    }
  });

  test("refuses what is no key, another key, and all but the last character of one, and repeats none of it", async () => {
    const gate = await gateWith([live]);
    for (const other of [
      "x",
      makeKeyText(),
      text.slice(0, -1),
      `${text.slice(0, -1)}${text.endsWith("A") ? "Q" : "A"}`,
    ]) {
      const found = await problem(gate, "read", `Bearer ${other}`);
      expect(found.status).toBe(401);
      expect(found.headers?.["www-authenticate"]).toContain('error="invalid_token"');
      expect(JSON.stringify(found)).not.toContain(`"${other}"`);
      expect(JSON.stringify(found)).not.toContain("sekali_");
    }
  });

  test("names the scope that is missing; no scope includes another", async () => {
    const gate = await gateWith([live]);
    const found = await problem(gate, "admin", `Bearer ${text}`);
    expect(found).toMatchObject({ status: 403, name: "scope-missing" });
    expect(found.detail).toContain("admin");
    expect(found.headers?.["www-authenticate"]).toContain('scope="admin"');
    const admin = await gateWith([{ ...live, scopes: ["admin"] }]);
    for (const scope of ["read", "publish"] as const) {
      expect(await problem(admin, scope, `Bearer ${text}`)).toMatchObject({ status: 403 });
    }
  });

  test("asks nobody at a route for anybody, not even about a wrong key, and gives them no topic", async () => {
    const gate = await gateWith([live]);
    const caller = gate.admit(new Request("http://test/", { headers: { authorization: "Bearer x" } }), "anybody");
    expect(caller).toBe(ANYBODY);
    expect(ANYBODY.allows("user.auth")).toBe(false);
  });

  test("can't say that there is no such key while the keys can't be read", async () => {
    const gate = await gateWith([], () => Promise.reject(new StoreAway("gone")));
    await expect(problem(gate, "read", `Bearer ${text}`)).rejects.toBeInstanceOf(StoreAway);
  });
});

test("an open gate asks nobody", () => {
  for (const scope of ["publish", "read", "admin", "anybody"] as const) {
    expect(OPEN_GATE.admit(new Request("http://test/"), scope)).toBe(EVERYBODY);
  }
});
