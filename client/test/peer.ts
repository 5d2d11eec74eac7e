/**
 * A peer that answers as the aggregator does, and fails as it is told: for tests of what those who publish do about it.
 * It judges bodies with the contract itself, and keeps the first delivery of each identity.
 * (On `node:http`, because `Bun.serve` has no way to break a connection in the middle of a reply.)
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { BATCH_EVENTS_MAX_DEFAULT, type Event, parsePublishBody } from "@sekali/contract";

export type Fault =
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: object;
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
  /** The header of each request, or "". */
  readonly authorizations: string[];
  /** Deliveries of all requests that were taken, those with a broken reply included. */
  readonly counts: { deliveries: number; requests: number; inFlight: number; inFlightMax: number };
  /** The faults of the next requests, in order. */
  readonly faults: Fault[];
  /** A fault for each request that `faults` has none for. */
  lasting: Fault | undefined;
  stop(): Promise<void>;
};

export type PeerOptions = { readonly port?: number; readonly batchEventsMax?: number; readonly delayMs?: number };

type Answer = { readonly status: number; readonly headers?: Record<string, string>; readonly body: object };

export async function startPeer(options: PeerOptions = {}): Promise<Peer> {
  const batchEventsMax = options.batchEventsMax ?? BATCH_EVENTS_MAX_DEFAULT;
  const counts = { deliveries: 0, requests: 0, inFlight: 0, inFlightMax: 0 };
  const events = new Map<string, Event>();
  const bodies: string[] = [];
  const authorizations: string[] = [];
  const faults: Fault[] = [];

  function take(text: string): ("stored" | "duplicate")[] {
    return (JSON.parse(`[${text}]`) as Event[]).map((event) => {
      counts.deliveries += 1;
      const key = `${event.topic}/${event.event_id}`;
      if (events.has(key)) return "duplicate";
      events.set(key, event);
      return "stored";
    });
  }

  function answer(path: string, body: Buffer): Answer {
    if (path === "/readyz") return { status: 200, body: { status: "ready" } };
    const parsed = parsePublishBody(body, { batchEventsMax });
    if (parsed.ok) return { status: 200, body: replyTo(path, take(parsed.text)) };
    const status = { malformed: 400, unacceptable: 422, too_many: 413 }[parsed.kind];
    return { status, body: { title: "Refused", status, detail: parsed.detail, errors: parsed.errors } };
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    counts.requests += 1;
    const body = Buffer.concat(await Array.fromAsync(request));
    bodies.push(body.toString());
    authorizations.push(request.headers.authorization ?? "");
    const fault = faults.shift() ?? peer.lasting;
    if (fault?.kind === "status") {
      const about = { title: "as told", status: fault.status, ...fault.body };
      return send(response, { status: fault.status, headers: fault.headers ?? {}, body: about });
    }
    const reply = answer(request.url ?? "", body);
    const delayMs = fault?.kind === "late_reply" ? fault.ms : options.delayMs;
    if (delayMs !== undefined) await Bun.sleep(delayMs);
    if (fault?.kind === "cut_reply") return cut(response);
    send(response, reply);
  }

  const server = createServer((request, response) => {
    counts.inFlight += 1;
    counts.inFlightMax = Math.max(counts.inFlightMax, counts.inFlight);
    handle(request, response).finally(() => {
      counts.inFlight -= 1;
    });
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  const peer: Peer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies,
    events,
    authorizations,
    counts,
    faults,
    lasting: undefined,
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
  return peer;
}

function replyTo(path: string, results: readonly ("stored" | "duplicate")[]): object {
  const count = results.length;
  if (!path.endsWith("?ack=stored")) return { status: "queued", count };
  const unique = results.filter((result) => result === "stored").length;
  return { status: "stored", count, unique, duplicates: count - unique, dead_lettered: 0, results };
}

function send(response: ServerResponse, answer: Answer): void {
  const type = answer.status === 200 ? "application/json" : "application/problem+json";
  response.writeHead(answer.status, { ...answer.headers, "content-type": type }).end(JSON.stringify(answer.body));
}

function cut(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
  response.write('{"status":', () => response.socket?.destroy());
}

/** Waits for a state, for at most `ms`. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  const endMs = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not within ${ms} ms: ${what}`);
    await Bun.sleep(10);
  }
}
