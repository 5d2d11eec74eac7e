/** One HTTP request with a time-out, and its answer in bounded memory. */
import { SubscriptionError } from "./errors.ts";
import { type Answer, describe, isRetryableStatus, parseObject, readRetryAfter } from "./reply.ts";
import { type Retryable, STOPPED } from "./retry.ts";
import { after } from "./timer.ts";

/** A secret, or a function that gives the present one: it is asked before each request. */
export type Key = string | (() => string | Promise<string>);

export type Fetch = (input: URL, init: RequestInit) => Promise<Response>;

/** Looked up at each call, so that whoever instruments or replaces it later is heard; called as nobody's method. */
export const globalFetch: Fetch = (input, init) => fetch(input, init);

export type Caller = {
  readonly key: Key | undefined;
  readonly fetch: Fetch;
  readonly timeoutMs: number;
  /** Something answers there, whatever comes of the rest of its answer. */
  readonly onResponse?: () => void;
};

export type Call = {
  readonly method: "GET" | "POST";
  readonly url: URL;
  /** JSON text. */
  readonly body?: string;
  /** Beyond the caller's time-out, for a request that is meant to wait. */
  readonly patienceMs?: number;
};

/** Far more than 10,000 verdicts or 1,000 events handed out take. */
export const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/** Never rejects: whatever keeps an answer away may be gone the next time. */
export async function call(caller: Caller, request: Call, signal: AbortSignal): Promise<Answer | Retryable> {
  const timeoutMs = caller.timeoutMs + (request.patienceMs ?? 0);
  const call = new AbortController();
  const cancel = (): void => call.abort(new Error(STOPPED));
  const timer = after(timeoutMs, () => call.abort(new Error(`no reply within ${timeoutMs} ms`)));
  signal.addEventListener("abort", cancel, { once: true });
  try {
    if (signal.aborted) throw new Error(STOPPED);
    const { method, url, body } = request;
    const headers: Record<string, string> = {
      accept: "application/json, application/problem+json",
      ...(await authorization(caller.key)),
      ...(body !== undefined && { "content-type": "application/json" }),
    };
    // A redirected POST arrives as a GET without a body, and would be answered with a cheerful 200.
    const init: RequestInit = { method, headers, redirect: "manual", signal: call.signal };
    const response = await caller.fetch(url, body === undefined ? init : { ...init, body });
    caller.onResponse?.();
    return {
      status: response.status,
      contentType: response.headers.get("content-type") ?? "",
      retryAfter: response.headers.get("retry-after"),
      body: await readBounded(response, ANSWER_BYTES_MAX),
    };
  } catch (error) {
    return { kind: "retryable", status: undefined, reason: describeFailure(call.signal, error), retryAfterMs: 0 };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
  }
}

export async function authorization(key: Key | undefined): Promise<Record<string, string>> {
  const secret = typeof key === "function" ? await key() : key;
  return secret === undefined ? {} : { authorization: `Bearer ${secret}` };
}

/** An answer that is no answer to what was asked: what it means for whoever reads. */
export function readRefusal(answer: Answer): SubscriptionError | Retryable {
  const { status } = answer;
  const reason = describe(status, parseObject(answer.body));
  if (isRetryableStatus(status)) {
    return { kind: "retryable", status, reason, retryAfterMs: readRetryAfter(answer.retryAfter, Date.now()) };
  }
  const kind = status === 410 ? "expired" : status === 401 || status === 403 ? "unauthorized" : "refused";
  return new SubscriptionError(kind, reason, status);
}

/** With a reader, because not every browser's streams can be iterated over. */
export async function readBounded(response: Response, bytesMax: number): Promise<string> {
  const announced = Number(response.headers.get("content-length") ?? Number.NaN);
  if (announced <= bytesMax) return await response.text();
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > bytesMax) {
      await reader.cancel();
      throw new Error(`the reply is longer than ${bytesMax} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** Node says no more than "fetch failed", and the cause knows why. */
export function describeFailure(signal: AbortSignal, error: unknown): string {
  const thrown: unknown = signal.aborted ? signal.reason : error;
  if (!(thrown instanceof Error)) return "the request failed";
  const cause = thrown.cause instanceof Error && thrown.cause.message !== "" ? thrown.cause : thrown;
  const code = (cause as { code?: unknown }).code;
  return typeof code === "string" && !cause.message.includes(code) ? `${code}: ${cause.message}` : cause.message;
}
