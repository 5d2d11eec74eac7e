/** What the command lines of this folder take alike. */
import { InvalidArgumentError } from "commander";

/** Seeds are unsigned numbers of 32 bits. */
export const SEED_MAX = 2 ** 32 - 1;

/** @returns a parser for commander; what is no whole number in the range is refused by name. */
export const integer = (least: number, most: number) => (text: string) => {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`a whole number from ${least} to ${most}.`);
};

/** @returns a parser for commander, for an option that may be given several times and names things of a list. */
export const named =
  <T extends { readonly name: string }>(all: readonly T[]) =>
  (name: string, others: readonly T[] | undefined): readonly T[] => {
    const found = all.find((candidate) => candidate.name === name);
    if (found === undefined) throw new InvalidArgumentError(`one of ${all.map((each) => each.name).join(", ")}.`);
    return [...(others ?? []), found];
  };
