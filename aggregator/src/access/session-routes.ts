/**
 * `/session`: the dashboard signs in with a key, once, and from then on the browser sends a cookie that no script can
 * read. So the key is neither in a URL nor in the page's memory or storage.
 */
import { type Session, type SessionBody, SessionBodySchema, type SessionReply } from "@sekali/contract";
import { RequestError } from "../problem.ts";
import { NO_PARAMETERS, readParameters } from "../query/parameters.ts";
import type { Route } from "../route.ts";
import { readJson } from "../subscribe/json-body.ts";
import { type KeyGate, UNKNOWN_KEY } from "./gate.ts";
import type { Key } from "./keyring.ts";
import { requireOwnPage } from "./own-page.ts";
import { SESSION_S, type SessionSigner, writeSessionCookie } from "./session-cookie.ts";
import { NOTHING_TO_SIGN_IN_TO, SHOW_SESSION, SIGN_IN, SIGN_OUT } from "./session-endpoints.ts";

/** The first of several proxies is the one that the browser knows. */
const FROM_HTTPS = /^\s*https\s*(,|$)/i;
/** Of what is not GET; of that the server says so. */
const NO_STORE = { "cache-control": "no-store" };

export class SessionRoutes {
  readonly routes: readonly Route[] = [
    { ...SHOW_SESSION, handle: (request) => this.#show(request) },
    { ...SIGN_IN, handle: (request) => this.#signIn(request) },
    { ...SIGN_OUT, handle: (request) => this.#signOut(request) },
  ];
  readonly #gate: KeyGate | undefined;

  /** @param gate undefined where nobody is asked for a key. */
  constructor(gate: KeyGate | undefined) {
    this.#gate = gate;
  }

  async #show(request: Request): Promise<Response> {
    readParameters(request, NO_PARAMETERS);
    const found = await this.#gate?.sessionOf(request);
    const reply: SessionReply = {
      access: this.#gate === undefined ? "open" : "keys",
      session: found === undefined ? null : describe(found.key, found.expiresAtS),
    };
    return Response.json(reply);
  }

  async #signIn(request: Request): Promise<Response> {
    readParameters(request, NO_PARAMETERS);
    const { gate, signer } = this.#asking();
    requireOwnPage(request, false);
    const { key: text } = await readJson<SessionBody>(request, SessionBodySchema);
    const key = await gate.keyOf(text.trim());
    if (key === undefined) throw new RequestError(UNKNOWN_KEY);
    key.isUsed = true;
    const { value, expiresAtS } = signer.issue(key);
    const cookie = writeSessionCookie(value, SESSION_S, isEncrypted(request));
    return Response.json(describe(key, expiresAtS), { headers: { ...NO_STORE, "set-cookie": cookie } });
  }

  /** Nothing is kept of a session here, so there is nothing to end but the browser's copy. */
  #signOut(request: Request): Response {
    readParameters(request, NO_PARAMETERS);
    this.#asking();
    requireOwnPage(request, false);
    const cookie = writeSessionCookie("", 0, isEncrypted(request));
    return new Response(null, { status: 204, headers: { ...NO_STORE, "set-cookie": cookie } });
  }

  #asking(): { gate: KeyGate; signer: SessionSigner } {
    if (this.#gate === undefined) throw new RequestError(NOTHING_TO_SIGN_IN_TO);
    return { gate: this.#gate, signer: this.#gate.signer };
  }
}

function describe({ name, scopes, topics }: Key, expiresAtS: number): Session {
  const expires_at = new Date(expiresAtS * 1000).toISOString();
  return { name, scopes: [...scopes], topics: [...topics], expires_at };
}

/** Here, or as far as a proxy that speaks TLS for us: who claims so without one only keeps the cookie to themselves. */
function isEncrypted(request: Request): boolean {
  return request.url.startsWith("https:") || FROM_HTTPS.test(request.headers.get("x-forwarded-proto") ?? "");
}
