/**
 * Where every request is asked for its key, and for what the key is good: the one place, in front of all routes.
 *
 * A key comes as a bearer token, or as the password of basic authentication for clients that can't do otherwise (or as
 * its user name, where the password is empty, as in `https://KEY@host`), or once from the dashboard, which then has a
 * cookie. It never comes in a path or a query: what is there ends up in histories and logs. Scopes are a set, and none
 * includes another: what `keys list` shows of a key is all it may do.
 *
 * The challenge names Bearer alone. Basic clients send their password unasked; a browser that is challenged for it
 * opens a dialog of its own over the dashboard's form.
 */
import { type Problem, RequestError } from "../problem.ts";
import type { Scope } from "../route.ts";
import { ANYBODY, type Caller, EVERYBODY } from "./caller.ts";
import { digestOf } from "./key-text.ts";
import type { Key, Keyring } from "./keyring.ts";
import { refuseForeignPage, requireOwnPage } from "./own-page.ts";
import { SessionSigner } from "./session-cookie.ts";

export interface Gate {
  /** @throws RequestError 401 or 403; StoreAway where nobody can say whether there is such a key. */
  admit(request: Request, scope: Scope): Caller | Promise<Caller>;
}

/** Asks nobody; but pages of other origins are not somebody who asks. */
export const OPEN_GATE: Gate = {
  admit: (request, scope) => {
    if (scope !== "anybody") refuseForeignPage(request);
    return EVERYBODY;
  },
};

export class KeyGate implements Gate {
  readonly #keyring: Keyring;
  #signer: SessionSigner | undefined;

  constructor(keyring: Keyring) {
    this.#keyring = keyring;
  }

  /** @param secret of the sessions; until it is known, none is good. */
  open(secret: Uint8Array): void {
    this.#signer = new SessionSigner(secret);
  }

  get signer(): SessionSigner {
    if (this.#signer === undefined) throw new Error("the gate has not been opened");
    return this.#signer;
  }

  admit(request: Request, scope: Scope): Caller | Promise<Caller> {
    if (scope === "anybody") return ANYBODY;
    const header = request.headers.get("authorization");
    if (header === null) return this.#admitSession(request, scope);
    const found = this.keyOf(readKeyText(header));
    return found instanceof Promise ? found.then((key) => entitled(key, scope)) : entitled(found, scope);
  }

  /** The good key that a text is; undefined: none. @throws StoreAway where nobody can say. */
  keyOf(text: string): Key | undefined | Promise<Key | undefined> {
    const digest = digestOf(text);
    return digest === undefined ? undefined : (this.#keyring.find(digest) ?? this.#keyring.findFresh(digest));
  }

  /** The good session that a request's cookie is; undefined: none. @throws StoreAway where nobody can say. */
  async sessionOf(request: Request): Promise<{ readonly key: Key; readonly expiresAtS: number } | undefined> {
    const claim = this.signer.read(request.headers.get("cookie"));
    if (claim === undefined) return undefined;
    // Where it is not known here, another process may know it already.
    if (this.#keyring.findById(claim.keyId) === undefined) await this.#keyring.refresh();
    const key = this.#keyring.findById(claim.keyId);
    return key !== undefined && this.signer.isGenuine(claim, key) ? { key, expiresAtS: claim.expiresAtS } : undefined;
  }

  async #admitSession(request: Request, scope: Exclude<Scope, "anybody">): Promise<Caller> {
    const found = await this.sessionOf(request);
    if (found === undefined) throw new RequestError(NO_KEY);
    requireOwnPage(request, request.method !== "GET" && request.method !== "HEAD");
    return signedIn(entitled(found.key, scope), () => this.signer.leftMs(found.expiresAtS));
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

function entitled(key: Key | undefined, scope: Exclude<Scope, "anybody">): Key {
  if (key === undefined) throw new RequestError(UNKNOWN_KEY);
  key.isUsed = true;
  if (key.scopes.has(scope)) return key;
  throw new RequestError(scopeMissing(key.name, key.scopes, scope));
}

/** Who has signed in with a key: that key, for as long as the session lasts. */
export function signedIn(key: Key, sessionLeftMs: () => number): Caller {
  const { name, topics, allowsAll, allows, ended, quota } = key;
  return {
    name,
    topics,
    allowsAll,
    allows,
    ended,
    quota,
    get leftMs() {
      return Math.min(key.leftMs, sessionLeftMs());
    },
  };
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
