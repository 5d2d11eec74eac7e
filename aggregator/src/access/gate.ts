/**
 * Where every request is asked for its key, and for what the key is good: the one place, in front of all routes.
 *
 * A key comes as a bearer token, or as the password of basic authentication for clients that can't do otherwise (or as
 * its user name, where the password is empty, as in `https://KEY@host`). It never comes in a URL: what is there ends up
 * in histories and logs. Scopes are a set, and none includes another: what `keys list` shows of a key is all it may do.
 *
 * The challenge names Bearer alone. Basic clients send their password unasked; a browser that is challenged for it
 * opens a dialog of its own over the dashboard's form.
 */
import { type Problem, RequestError } from "../problem.ts";
import type { Scope } from "../route.ts";
import { ANYBODY, type Caller, EVERYBODY } from "./caller.ts";
import { digestOf } from "./key-text.ts";
import type { Key, Keyring } from "./keyring.ts";

export interface Gate {
  /** @throws RequestError 401 or 403; StoreAway where nobody can say whether there is such a key. */
  admit(request: Request, scope: Scope): Caller | Promise<Caller>;
}

/** Asks nobody. */
export const OPEN_GATE: Gate = { admit: () => EVERYBODY };

export class KeyGate implements Gate {
  readonly #keyring: Keyring;

  constructor(keyring: Keyring) {
    this.#keyring = keyring;
  }

  admit(request: Request, scope: Scope): Caller | Promise<Caller> {
    if (scope === "anybody") return ANYBODY;
    const header = request.headers.get("authorization");
    if (header === null) throw new RequestError(NO_KEY);
    const digest = digestOf(readKeyText(header));
    if (digest === undefined) throw unknownKey();
    const known = this.#keyring.find(digest);
    if (known !== undefined) return entitled(known, scope);
    return this.#keyring.findFresh(digest).then((key) => {
      if (key === undefined) throw unknownKey();
      return entitled(key, scope);
    });
  }
}

/** The key in an Authorization header; empty where there is none. */
export function readKeyText(header: string): string {
  const [, scheme = "", credentials = ""] = /^([A-Za-z]+) +([^\s,]+) *$/.exec(header) ?? [];
  if (scheme.toLowerCase() === "bearer") return credentials;
  if (scheme.toLowerCase() !== "basic") return "";
  const text = Buffer.from(credentials, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0) return "";
  const password = text.slice(colon + 1);
  return password === "" ? text.slice(0, colon) : password;
}

function entitled(key: Key, scope: Exclude<Scope, "anybody">): Key {
  key.isUsed = true;
  if (key.scopes.has(scope)) return key;
  throw new RequestError(scopeMissing(key.name, key.scopes, scope));
}

/** For what goes on for longer than most. @throws RequestError 401 where the caller's key has ended since. */
export function requireGood({ ended }: Caller): void {
  if (ended?.aborted) throw unknownKey();
}

function unknownKey(): RequestError {
  return new RequestError(UNKNOWN_KEY);
}

function unauthorized(detail: string, error = ""): Problem {
  return {
    status: 401,
    name: "unauthorized",
    title: "A key is needed",
    detail,
    headers: { "www-authenticate": `Bearer realm="sekali"${error}` },
  };
}

const NO_KEY = unauthorized("This needs a key, as a bearer token: `Authorization: Bearer sekali_…`.");

export const UNKNOWN_KEY = unauthorized(
  "There is no such key, or it was revoked, or it has expired.",
  ', error="invalid_token"',
);

export function scopeMissing(name: string, scopes: Iterable<string>, scope: string): Problem {
  return {
    status: 403,
    name: "scope-missing",
    title: "The key is not good for this",
    detail: `This needs a key with the scope ${scope}; those of ${name} are ${[...scopes].join(", ")}.`,
    headers: { "www-authenticate": `Bearer realm="sekali", error="insufficient_scope", scope="${scope}"` },
  };
}
