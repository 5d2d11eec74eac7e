/**
 * The key of a program of this repository, where the aggregator wants one: from the environment or from a file, and
 * never from an argument, which everybody on the machine could read. On Node's files, so no part of the package.
 */
import { readFile } from "node:fs/promises";

export type KeyVariables = { readonly SEKALI_KEY?: string | undefined; readonly SEKALI_KEY_FILE?: string | undefined };

/** The variables are there, and no key can be had of them. */
export class KeyError extends Error {}

/** What a header can carry; RFC 6750 allows less still. */
const KEY = /^[\x21-\x7e]{1,1024}$/;

/** @throws KeyError, which never says what the key is */
export async function readKey({ SEKALI_KEY = "", SEKALI_KEY_FILE = "" }: KeyVariables): Promise<string | undefined> {
  if (SEKALI_KEY !== "" && SEKALI_KEY_FILE !== "")
    throw new KeyError("SEKALI_KEY and SEKALI_KEY_FILE: give one of them");
  if (SEKALI_KEY === "" && SEKALI_KEY_FILE === "") return undefined;
  const [name, key] =
    SEKALI_KEY_FILE === "" ? ["SEKALI_KEY", SEKALI_KEY] : ["SEKALI_KEY_FILE", await readWhole(SEKALI_KEY_FILE)];
  if (!KEY.test(key)) throw new KeyError(`${name} must hold one key: visible ASCII characters, without spaces`);
  return key;
}

async function readWhole(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    throw new KeyError(`SEKALI_KEY_FILE can't be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
