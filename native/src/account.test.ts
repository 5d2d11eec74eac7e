import { expect, test } from "bun:test";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { accountFor, findAccount, reaches, runAs } from "./account.ts";
import { makeTemporaryFolder, removeTemporaryFolder } from "./folder.ts";

const PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533:nobody:/:/bin/false\n";

test("finds an account by its whole name", () => {
  expect(findAccount(PASSWD, "nobody")).toEqual({ uid: 65_534, gid: 65_533 });
  expect(findAccount(PASSWD, "nob")).toBeUndefined();
});

test("an account reaches what lies below folders that let it pass, and nothing below a closed one", () => {
  const folder = makeTemporaryFolder("account");
  const file = join(folder, "open", "file");
  mkdirSync(join(folder, "open"));
  const stranger = { uid: 12_345, gid: 12_345 };
  chmodSync(folder, 0o700);
  expect(reaches(stranger, file)).toBe(false);
  chmodSync(folder, 0o711);
  expect(reaches(stranger, file)).toBe(true);
  removeTemporaryFolder(folder);
});

test("an ordinary user runs Postgres as itself, and root never does", () => {
  const folder = makeTemporaryFolder("account");
  const account = accountFor(folder);
  if (process.getuid?.() === 0) {
    expect(account?.uid).toBeGreaterThan(0);
    expect(runAs(account, [folder])).toContain(`--reuid=${account?.uid}`);
  } else {
    expect(account).toBeUndefined();
    expect(runAs(account, [folder])).toEqual([]);
  }
  removeTemporaryFolder(folder);
});
