/** The contract's own generators: test material of that package, and no part of what it offers. */
import { join } from "node:path";
import type { Event } from "@sekali/contract";
import type fc from "fast-check";

export interface ContractArbitraries {
  readonly validEvent: fc.Arbitrary<Event>;
  /** The JSON text of an object: digits of any length, keys that repeat, escapes, white space. */
  readonly payloadText: fc.Arbitrary<string>;
}

export async function contractArbitraries(): Promise<ContractArbitraries> {
  const contract = Bun.resolveSync("@sekali/contract/package.json", import.meta.dir);
  return (await import(join(contract, "..", "test", "arbitraries.ts"))) as ContractArbitraries;
}
