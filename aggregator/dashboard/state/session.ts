/**
 * Whether the service asks for keys, and who this page is signed in as.
 *
 *   asking ──open──▶ open                        nobody is asked
 *      ├──signed in──▶ signed in ──401──▶ signed out     its key was revoked, or the session is over
 *      └──not signed in──▶ signed out ──sign in──▶ the page is loaded again
 *
 * The key itself is in the form and in one request, and nowhere else: what the browser keeps is a cookie that no script
 * can read.
 */
import { signal } from "@preact/signals";
import type { Session, SessionReply } from "@sekali/contract";

const REPLY_MS_MAX = 8000;
/** Until the service answers for the first time. */
const AGAIN_MS = 1500;

export type Access =
  | { readonly state: "asking" | "open" | "signed out" }
  | { readonly state: "signed in"; readonly session: Session };

export const access = signal<Access>({ state: "asking" });

/** Resolves when it is known who may ask. */
export const accessKnown: Promise<void> = learn();

async function learn(): Promise<void> {
  for (;;) {
    try {
      const { access: mode, session } = (await (await call("GET")).json()) as SessionReply;
      if (session !== null) access.value = { state: "signed in", session };
      else access.value = { state: mode === "open" ? "open" : "signed out" };
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

/** Whether a request that needs a scope is worth sending. */
export function may(scope: "read" | "admin"): boolean {
  const { value } = access;
  return value.state === "open" || (value.state === "signed in" && value.session.scopes.includes(scope));
}

/** Whether what is told of no single topic is for this page. */
export function seesAllTopics(): boolean {
  const { value } = access;
  return value.state !== "signed in" || value.session.topics.includes(">");
}

/** The service has answered 401. */
export function noteUnauthorized(): void {
  if (access.peek().state !== "open") access.value = { state: "signed out" };
}

/** @returns why not, in words for a person; undefined: it is done, and the page begins again. */
export async function signIn(key: string): Promise<string | undefined> {
  let response: Response;
  try {
    response = await call("POST", JSON.stringify({ key }));
  } catch {
    return "The service does not answer.";
  }
  if (response.ok) {
    location.reload();
    return undefined;
  }
  const { detail, title } = (await response.json().catch(() => ({}))) as { detail?: string; title?: string };
  return detail ?? title ?? `The service answered ${response.status}.`;
}

export async function signOut(): Promise<void> {
  await call("DELETE").catch(() => undefined);
  location.reload();
}

async function call(method: "GET" | "POST" | "DELETE", body?: string): Promise<Response> {
  return await fetch("/session", {
    method,
    cache: "no-store",
    credentials: "same-origin",
    signal: AbortSignal.timeout(REPLY_MS_MAX),
    ...(body !== undefined && { body, headers: { "content-type": "application/json" } }),
  });
}
