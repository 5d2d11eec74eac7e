/** Small JSON bodies, judged by a schema of the contract. */
import type { ProblemPlace } from "@sekali/contract";
import type { TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { readBody } from "../ingest/body.ts";
import { type Problem, RequestError } from "../problem.ts";

/** A thousand ack ids, or a cursor over a thousand shards, with room to spare. */
const BODY_BYTES_MAX = 128 * 1024;
const NAMED_ERRORS_MAX = 20;

/**
 * @typeParam T the static type of `schema`.
 * @throws RequestError as `readBody` does, 400 for what is no JSON, 422 for what does not fit.
 */
export async function readJson<T>(request: Request, schema: TSchema): Promise<T> {
  const value = parse(await readBody(request, BODY_BYTES_MAX));
  const errors = [...Value.Errors(schema, value)].slice(0, NAMED_ERRORS_MAX);
  if (errors.length === 0) return value as T;
  throw new RequestError(unfitting(errors.map(({ path, message }) => ({ pointer: path, detail: message }))));
}

export function unfitting(errors: readonly ProblemPlace[]): Problem {
  return { status: 422, name: "unacceptable", title: "Body does not fit", errors };
}

export const MALFORMED: Problem = {
  status: 400,
  name: "malformed",
  title: "Malformed body",
  detail: "The body must be JSON in UTF-8.",
};

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new RequestError(MALFORMED);
  }
}
