/**
 * A peer that answers as the aggregator does, and fails as it is told: for tests of what the publisher does about it.
 * It judges bodies with the contract itself, and keeps the first delivery of each identity.
 */
import { BATCH_EVENTS_MAX_DEFAULT, type Event, parsePublishBody } from "@sekali/contract";

export type Fault =
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: unknown;
    }
  /** The events are taken, and the connection breaks in the middle of the reply. */
  | { readonly kind: "cut_reply" }
  /** The events are taken, and the reply comes so much later. */
  | { readonly kind: "late_reply"; readonly ms: number };

export type Peer = {
  readonly url: string;
  /** Bodies as they arrived. */
  readonly bodies: string[];
  readonly events: Map<string, Event>;
  /** Events of all requests that were taken, those with a broken reply included. */
  readonly counts: { deliveries: number; requests: number; inFlight: number; inFlightMax: number };
  /** The faults of the next requests, in order. */
  readonly faults: Fault[];
  /** A fault for each request that `faults` has none for. */
  lasting: Fault | undefined;
  stop(): Promise<void>;
};

export type PeerOptions = { readonly port?: number; readonly batchEventsMax?: number; readonly delayMs?: number };

export function startPeer(options: PeerOptions = {}): Peer {
  const batchEventsMax = options.batchEventsMax ?? BATCH_EVENTS_MAX_DEFAULT;
  const counts = { deliveries: 0, requests: 0, inFlight: 0, inFlightMax: 0 };
  const events = new Map<string, Event>();
  const bodies: string[] = [];
  const faults: Fault[] = [];

  function take(text: string): { results: ("stored" | "duplicate")[] } {
    const results = (JSON.parse(`[${text}]`) as Event[]).map((event) => {
      counts.deliveries += 1;
      const key = `${event.topic}/${event.event_id}`;
      if (events.has(key)) return "duplicate" as const;
      events.set(key, event);
      return "stored" as const;
    });
    return { results };
  }

  async function answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname !== "/publish" || request.method !== "POST") return problem(404, "Not Found");
    const body = new Uint8Array(await request.arrayBuffer());
    bodies.push(new TextDecoder().decode(body));
    counts.requests += 1;
    const fault = faults.shift() ?? peer.lasting;
    if (fault?.kind === "status") {
      return problem(fault.status, "as told", { headers: fault.headers ?? {}, body: fault.body });
    }
    const parsed = parsePublishBody(body, { batchEventsMax });
    if (!parsed.ok) {
      const status = { malformed: 400, unacceptable: 422, too_many: 413 }[parsed.kind];
      return problem(status, parsed.detail, { body: { detail: parsed.detail, errors: parsed.errors } });
    }
    const { results } = take(parsed.text);
    if (options.delayMs !== undefined) await Bun.sleep(options.delayMs);
    const reply = JSON.stringify(replyTo(url, results));
    if (fault?.kind === "cut_reply") return cut(reply);
    if (fault?.kind === "late_reply") await Bun.sleep(fault.ms);
    return new Response(reply, { headers: { "content-type": "application/json" } });
  }

  const server = Bun.serve({
    port: options.port ?? 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      counts.inFlight += 1;
      counts.inFlightMax = Math.max(counts.inFlightMax, counts.inFlight);
      return await answer(request).finally(() => {
        counts.inFlight -= 1;
      });
    },
  });
  const peer: Peer = {
    url: `http://127.0.0.1:${server.port}`,
    bodies,
    events,
    counts,
    faults,
    lasting: undefined,
    stop: async () => await server.stop(true),
  };
  return peer;
}

function replyTo(url: URL, results: readonly ("stored" | "duplicate")[]): object {
  const count = results.length;
  if (url.searchParams.get("ack") !== "stored") return { status: "queued", count };
  const unique = results.filter((result) => result === "stored").length;
  return { status: "stored", count, unique, duplicates: count - unique, dead_lettered: 0, results };
}

function problem(
  status: number,
  title: string,
  extra: { headers?: Record<string, string>; body?: unknown } = {},
): Response {
  const about = { type: "about:blank", title, status, ...(extra.body as object | undefined) };
  const headers = { ...extra.headers, "content-type": "application/problem+json" };
  return new Response(JSON.stringify(about), { status, headers });
}

function cut(reply: string): Response {
  const half = new TextEncoder().encode(reply.slice(0, 10));
  let hasBegun = false;
  const body = new ReadableStream({
    pull(controller) {
      if (hasBegun) return controller.error(new Error("cut"));
      hasBegun = true;
      controller.enqueue(half);
    },
  });
  return new Response(body, { headers: { "content-type": "application/json" } });
}

/** Waits for a state, for at most `ms`. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  const endMs = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not within ${ms} ms: ${what}`);
    await Bun.sleep(10);
  }
}
