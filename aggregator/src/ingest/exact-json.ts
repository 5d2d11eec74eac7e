/** JSON that is taken apart and put together again without touching its numbers: they keep their digits. */

/** ECMA-262's JSON source text access, which the compiler's library does not know yet. */
interface ExactJson {
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source: string }) => unknown): unknown;
  /** What JSON.stringify writes as it stands. */
  rawJSON(text: string): { readonly rawJSON: string };
}

const Exact = JSON as unknown as ExactJson;

/** @throws SyntaxError for what is no JSON, RangeError for what is nested past any measure. */
export function parseExact(text: string): unknown {
  return Exact.parse(text, (_, value, { source }) => (typeof value === "number" ? Exact.rawJSON(source) : value));
}

/** @param digits a number as JSON writes it, which JSON.stringify then writes just so. */
export function rawNumber(digits: string): unknown {
  return Exact.rawJSON(digits);
}
