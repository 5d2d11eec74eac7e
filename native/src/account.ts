/**
 * Under which account Postgres runs. It refuses to run as root, so root (in a container, on a build machine) lends it
 * another account: the owner of the data where there is data, else `postgres`, else `nobody`, which every system has.
 *
 * Only `setpriv` (util-linux, part of every Debian and Fedora) does that without a shell or a session in between: the
 * process it becomes keeps the pid, so signals reach Postgres itself.
 */
import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const CAP_DAC_OVERRIDE = 1n << 1n;
const CAP_DAC_READ_SEARCH = 1n << 2n;

/** The account to give Postgres, or undefined where this process is not root and may stay what it is. */
export function accountFor(dataDir: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (process.platform !== "linux") {
    throw new Error("Postgres does not run as root: run this as an ordinary user");
  }
  const owner = statSync(dataDir, { throwIfNoEntry: false });
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const accounts = readFileSync("/etc/passwd", "utf8");
  const account = findAccount(accounts, "postgres") ?? findAccount(accounts, "nobody");
  if (account === undefined) {
    throw new Error("Postgres does not run as root and there is no other account: `useradd --system postgres`");
  }
  return account;
}

export function findAccount(passwd: string, name: string): Account | undefined {
  const fields = passwd
    .split("\n")
    .map((line) => line.split(":"))
    .find((row) => row[0] === name);
  if (fields === undefined) return undefined;
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}

/**
 * What to put before a command so that it runs under the account. `paths` are what it must reach: below a closed
 * folder (a clone in /root) it keeps the one capability that lets it pass, and no other.
 */
export function runAs(account: Account | undefined, paths: readonly string[]): string[] {
  if (account === undefined) return [];
  const become = [`--reuid=${account.uid}`, `--regid=${account.gid}`, "--clear-groups"];
  if (paths.every((path) => reaches(account, path))) return ["setpriv", ...become, "--"];
  const only = `-all,+${passCapability()}`;
  const capabilities = [`--inh-caps=${only}`, `--ambient-caps=${only}`, `--bounding-set=${only}`];
  // Without this access(2) asks what the account could do without the capability, and Postgres does not find itself.
  return ["setpriv", "--securebits=+no_setuid_fixup", ...become, ...capabilities, "--"];
}

/** Whether every folder above `path` lets the account through. */
export function reaches(account: Account, path: string): boolean {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const { mode, uid, gid } = statSync(folder);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/** Reading everywhere is less than writing everywhere, but a container's root often has only the latter to give. */
function passCapability(): string {
  const bounding = /CapBnd:\s*([0-9a-f]+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  const held = BigInt(`0x${bounding}`);
  if ((held & CAP_DAC_READ_SEARCH) !== 0n) return "dac_read_search";
  if ((held & CAP_DAC_OVERRIDE) !== 0n) return "dac_override";
  throw new Error("Postgres can't run as root, and no other account can reach this folder: clone into another one");
}
