/** `Content-Type` of a request: its media type, and whether its text is UTF-8. */
import { RequestError } from "../problem.ts";

export interface ContentType {
  /** In lower case, without parameters; empty where there is none. */
  readonly type: string;
  /** Also where no charset is named: the formats that are taken here are UTF-8 by their own specifications. */
  readonly isUtf8: boolean;
}

export function readContentType(header: string | null): ContentType {
  const [type = "", ...parameters] = (header ?? "").split(";").map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice("charset=".length);
  return { type, isUtf8: charset === undefined || isUtf8(charset.replaceAll('"', "")) };
}

/** By any of its names (WHATWG Encoding): many write `utf8`, which is none of IANA's. */
function isUtf8(charset: string): boolean {
  if (charset === "utf-8") return true;
  try {
    return new TextDecoder(charset as ConstructorParameters<typeof TextDecoder>[0]).encoding === "utf-8";
  } catch {
    return false;
  }
}

/** @param accepted what a path takes: named in the detail, and in `Accept` (RFC 9110 section 15.5.16). */
export function unsupportedMediaType(name: string, title: string, accepted: readonly string[]): RequestError {
  const types = accepted.map((type) => `\`${type}\``);
  const last = types.pop() ?? "";
  const list = types.length === 0 ? last : `${types.join(", ")} or ${last}`;
  return new RequestError({
    status: 415,
    name,
    title,
    detail: `Send it with \`Content-Type:\` ${list}, in UTF-8.`,
    headers: { accept: accepted.join(", ") },
  });
}
