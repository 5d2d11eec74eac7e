/**
 * JSON values with their numbers' exact decimals, for comparison: keys sorted, the last of duplicate keys, and each
 * number as digits and exponent, so that 1.0, 1.00 and 1e0 are the same and 0.1 is not 0.1000000000000000055.
 */

interface SourceContext {
  readonly source?: string;
}

/** The second argument's third parameter (JSON.parse source text access) is not in TypeScript's library yet. */
const parse = JSON.parse as (
  text: string,
  reviver: (key: string, value: unknown, context: SourceContext) => unknown,
) => unknown;

export function canonicalJson(text: string): string {
  return JSON.stringify(canonicalValue(text));
}

/** Numbers as `{number}`, objects as `{entries}` sorted by key, everything else as it is. */
export function canonicalValue(text: string): unknown {
  return parse(text, (_key, each, { source }) =>
    typeof each === "number" ? { number: canonicalNumber(source ?? "") } : entriesOf(each),
  );
}

/** Objects become sorted lists of entries, so that no key has a meaning of its own. */
function entriesOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return { entries: Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)) };
}

function canonicalNumber(source: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source) ?? [];
  if (whole === "") throw new Error(`not a number: ${source}`);
  const digits = `${whole}${fraction}`.replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  const power = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${sign}${significant}e${power}`;
}
