import { expect, test } from "bun:test";
import type * as contract from "@sekali/contract";
import type { EventRecord, Verdict } from "./public-types.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

test("the types of the package are those of the contract", () => {
  // The compiler is who judges; the values only give it something to refuse.
  const same: [Same<EventRecord, contract.EventRecord>, Same<Verdict, contract.StoredVerdict>] = [true, true];
  expect(same).toEqual([true, true]);
});
