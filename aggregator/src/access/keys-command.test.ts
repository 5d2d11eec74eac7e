import { describe, expect, test } from "bun:test";
import { Command } from "commander";
import type { KeyDefinition, KeyKeeper } from "../store/key-port.ts";
import { digestOf } from "./key-text.ts";
import { addKeysCommands, KeysRefused } from "./keys-command.ts";

/** Runs `keys …` on a store that remembers what it was asked for. */
async function run(outcome: "made" | "taken" | "full", ...words: string[]) {
  const made: KeyDefinition[] = [];
  let [out, err] = ["", ""];
  const store: KeyKeeper = {
    makeKey: async (definition) => {
      made.push(definition);
      return outcome;
    },
    keys: async () => [],
    revokeKey: async () => "revoked",
  };
  const terminal = {
    print: (text: string) => {
      out += text;
    },
    note: (text: string) => {
      err += text;
    },
  };
  const silent = { writeErr: () => undefined, writeOut: () => undefined };
  const program = new Command().exitOverride().configureOutput(silent);
  addKeysCommands(program, (work) => work(store), terminal);
  const error: unknown = await program.parseAsync(["keys", ...words], { from: "user" }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { made, out, err, error };
}

describe("keys create", () => {
  test("prints the key alone, and keeps what it is good for beside its digest", async () => {
    const topics = "user.>, shop.*";
    const options = ["--topics", topics, "--rate", "100", "--expires", "90d"];
    const { made, out, err } = await run("made", "create", "--name", "web", "--scopes", "read,publish", ...options);
    expect(made).toEqual([
      {
        name: "web",
        digest: digestOf(out.trim()) ?? "",
        scopes: ["publish", "read"],
        topics: ["user.>", "shop.*"],
        quota: { rate: 100, burst: 100 },
        expiresInMs: 90 * 86_400_000,
      },
    ]);
    expect(err).not.toContain(out.trim());
  });

  test("is for all topics, without bound and for ever, unless it is told otherwise", async () => {
    const { made } = await run("made", "create", "--name", "web", "--scopes", "admin");
    expect(made).toMatchObject([{ topics: [">"], quota: undefined, expiresInMs: undefined }]);
  });

  test.each([
    ["taken", "stands for a key already"],
    ["full", "1000 live keys"],
  ] as const)("prints no key where it is %s", async (outcome, complaint) => {
    const { out, error } = await run(outcome, "create", "--name", "web", "--scopes", "read");
    expect([out, String(error)]).toEqual(["", expect.stringContaining(complaint)]);
  });

  test.each([
    [["create", "--name", "a b", "--scopes", "read"], "--name takes"],
    [["create", "--name", "a", "--scopes", "read,write"], "--scopes takes"],
    [["create", "--name", "a", "--scopes", ""], "--scopes takes"],
    [["create", "--name", "a", "--scopes", "read", "--topics", "user.>.x"], "must use *"],
    [["create", "--name", "a", "--scopes", "read", "--topics", ""], "--topics takes"],
    [["create", "--name", "a", "--scopes", "publish", "--rate", "0"], "--rate takes"],
    [["create", "--name", "a", "--scopes", "publish", "--burst", "5"], "--burst is nothing"],
    [["create", "--name", "a", "--scopes", "read", "--expires", "tomorrow"], "--expires takes"],
  ])("%j is refused, with %s", async (words, complaint) => {
    const { made, out, error } = await run("made", ...words);
    expect([made, out]).toEqual([[], ""]);
    expect(error).toBeInstanceOf(KeysRefused);
    expect(String(error)).toContain(complaint);
  });
});
