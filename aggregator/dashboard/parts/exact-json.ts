/**
 * JSON whose numbers keep their digits. `JSON.parse` makes 1 of 1.0 and 12345678901234567000 of 12345678901234567890; a
 * page that shows what was stored must not. Browsers without `JSON.rawJSON` show numbers as JavaScript knows them.
 */

/** TypeScript's library does not know these yet (ECMAScript proposal "JSON.parse source text access"). */
interface ExactJson {
  rawJSON?(text: string): unknown;
  parse(text: string, reviver: (key: string, value: unknown, context?: { source?: string }) => unknown): unknown;
}

const json: ExactJson = JSON;

/**
 * A record, or an array of records, whose `payload` is only good for showing it again: its numbers are texts that
 * `JSON.stringify` writes as they came.
 *
 * @throws SyntaxError
 */
export function parseRecords(text: string): unknown {
  const plain: unknown = JSON.parse(text);
  const exact = parseExactly(text);
  if (!Array.isArray(plain)) return withPayloadOf(plain, exact);
  return plain.map((each, index) => withPayloadOf(each, (exact as unknown[])[index]));
}

function withPayloadOf(plain: unknown, exact: unknown): object {
  return { ...(plain as object), payload: (exact as { payload?: unknown }).payload };
}

function parseExactly(text: string): unknown {
  return json.parse(text, (_, value, context) =>
    typeof value === "number" && context?.source !== undefined && json.rawJSON !== undefined
      ? json.rawJSON(context.source)
      : value,
  );
}
