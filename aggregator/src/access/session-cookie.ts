/**
 * The cookie of a browser that has signed in: which key, until when, and a signature over both.
 *
 * `ID.EXPIRY.SIGNATURE`, where the signature is an HMAC-SHA256 under a secret of the installation, so that any process
 * can tell it. It also covers the key's digest: an id that comes again after the database went back to an older state
 * is another key's. The session ends with its key, since the key is looked up at each request.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Key } from "./keyring.ts";

export const SESSION_COOKIE = "sekali_session";
/** A working day, so that a screen that was left behind does not stay signed in for ever. */
export const SESSION_S = 12 * 3600;
const FORM = /^(\d{1,9})\.(\d{1,12})\.([A-Za-z0-9_-]{43})$/;

export interface SessionClaim {
  readonly keyId: number;
  /** Seconds since the Unix epoch. */
  readonly expiresAtS: number;
  readonly signature: string;
}

/** Script can't read it, other sites can't have it sent, and it does not leave a connection that is encrypted. */
export function writeSessionCookie(value: string, maxAgeS: number, isSecure: boolean): string {
  const secure = isSecure ? "; Secure" : "";
  return `${SESSION_COOKIE}=${value}; Path=/; Max-Age=${maxAgeS}; HttpOnly; SameSite=Strict${secure}`;
}

export class SessionSigner {
  readonly #secret: Uint8Array;
  readonly #now: () => number;

  /** @param now milliseconds since the Unix epoch. */
  constructor(secret: Uint8Array, now: () => number = Date.now) {
    this.#secret = secret;
    this.#now = now;
  }

  issue(key: Pick<Key, "id" | "digest">): { readonly value: string; readonly expiresAtS: number } {
    const expiresAtS = Math.floor(this.#now() / 1000) + SESSION_S;
    return { value: `${key.id}.${expiresAtS}.${this.#sign(key, expiresAtS)}`, expiresAtS };
  }

  /** What a Cookie header claims, not judged yet but for its time; undefined where it claims nothing. */
  read(header: string | null): SessionClaim | undefined {
    const pair = header?.split(";").find((each) => each.trim().startsWith(`${SESSION_COOKIE}=`));
    const match = FORM.exec(pair?.trim().slice(SESSION_COOKIE.length + 1) ?? "");
    if (match === null) return undefined;
    const [keyId = 0, expiresAtS = 0] = match.slice(1, 3).map(Number);
    return this.leftMs(expiresAtS) > 0 ? { keyId, expiresAtS, signature: match[3] ?? "" } : undefined;
  }

  /** Milliseconds until a session of that end is over. */
  leftMs(expiresAtS: number): number {
    return expiresAtS * 1000 - this.#now();
  }

  /** Whether this installation has signed the claim for that key. */
  isGenuine({ expiresAtS, signature }: SessionClaim, key: Pick<Key, "id" | "digest">): boolean {
    return timingSafeEqual(Buffer.from(signature), Buffer.from(this.#sign(key, expiresAtS)));
  }

  #sign({ id, digest }: Pick<Key, "id" | "digest">, expiresAtS: number): string {
    return createHmac("sha256", this.#secret).update(`session ${id} ${expiresAtS} ${digest}`).digest("base64url");
  }
}
