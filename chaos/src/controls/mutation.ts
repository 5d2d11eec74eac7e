/**
 * A mutation: one promise broken on purpose, as replacements in the product's text. Each text that is replaced must be
 * there exactly once, so that a mutation whose text has changed fails instead of breaking nothing.
 */

export interface Edit {
  /** From the top of the repository. */
  readonly path: string;
  readonly find: string;
  readonly replace: string;
}

/** What must turn red: faults of the harness, so many injections of each at most, or a test that is named. */
export type Evidence =
  | { readonly faults: readonly string[]; readonly injections: number }
  | { readonly path: string; readonly test: string };

export interface Mutation {
  readonly name: string;
  /** What is broken, and what somebody might have thought when they broke it. */
  readonly title: string;
  readonly promise: "P1" | "P2" | "P3" | "P4" | "P5" | "P6";
  readonly edits: readonly Edit[];
  readonly evidence: Evidence;
}

/** @throws where the text is not there exactly once. */
export function applyEdit(text: string, { path, find, replace }: Edit): string {
  const places = text.split(find).length - 1;
  if (places !== 1) {
    throw new Error(`${path} holds the text of a mutation ${places} times, not once: ${JSON.stringify(find)}`);
  }
  return text.replace(find, () => replace);
}
