/** What a follower does about answers that a healthy service does not give: from a server that gives them. */
import { afterEach, expect, test } from "bun:test";
import type { Server } from "bun";
import { type SubscribeOptions, SubscriptionError, subscribe } from "../src/index.ts";

const servers: Server<undefined>[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(true);
});

type Reply = (request: Request) => Response;

/** Answers the first requests as told, and all others with the last of these. */
function serve(...replies: Reply[]) {
  const requests: Headers[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      requests.push(new Headers(request.headers));
      const reply = replies[Math.min(requests.length, replies.length) - 1];
      return reply?.(request) ?? new Response(null, { status: 500 });
    },
  });
  servers.push(server);
  return { url: server.url.href, requests };
}

function stream(text: string, { stays = false } = {}): Reply {
  return () => {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(text));
        if (!stays) controller.close();
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
}

function problem(status: number, headers: Record<string, string> = {}): Reply {
  return () => Response.json({ title: "as told", status }, { status, headers });
}

const opening = (id: string) => `: following\nretry: 5\nid: ${id}\n\n`;
const record = (n: number) => JSON.stringify({ topic: "a", event_id: String(n), payload: {} });
const message = (n: number, id?: string) =>
  `event: event\n${id === undefined ? "" : `id: ${id}\n`}data: ${record(n)}\n\n`;

async function take(count: number, options: SubscribeOptions): Promise<string[]> {
  const ids: string[] = [];
  for await (const { event } of subscribe(options)) {
    ids.push(event.event_id);
    if (ids.length === count) break;
  }
  return ids;
}

test("a chunk that was cut off comes again from its beginning, and is given once", async () => {
  const { url, requests } = serve(
    stream(`${opening("c0")}${message(1)}${message(2)}`),
    // The same chunk cut off earlier, and then whole.
    stream(`${opening("c0")}${message(1)}`),
    stream(`${opening("c0")}${message(1)}${message(2)}${message(3, "c1")}${message(4, "c2")}`, { stays: true }),
  );
  expect(await take(4, { url })).toEqual(["1", "2", "3", "4"]);
  expect(requests.map((headers) => headers.get("last-event-id"))).toEqual([null, "c0", "c0"]);
});

test("a chunk that was cut off may come again in smaller ones", async () => {
  const { url } = serve(
    stream(`${opening("c0")}${message(1)}${message(2)}${message(3)}`),
    stream(`${opening("c0")}${message(1)}${message(2, "c1")}${message(3)}`),
    stream(`${opening("c1")}${message(3)}${message(4, "c2")}`, { stays: true }),
  );
  expect(await take(4, { url })).toEqual(["1", "2", "3", "4"]);
});

test("an id that comes without an event moves the place", async () => {
  const { url, requests } = serve(
    stream(`${opening("c0")}${message(1, "c1")}:\nid: c7\n\n`),
    stream(`${opening("c7")}${message(2, "c8")}`, { stays: true }),
  );
  expect(await take(2, { url })).toEqual(["1", "2"]);
  expect(requests[1]?.get("last-event-id")).toBe("c7");
});

test("503 and whatever else passes is waited for, as long as the service asks", async () => {
  const waits: number[] = [];
  const { url } = serve(
    problem(503, { "retry-after": "1" }),
    problem(500),
    stream(`${opening("c0")}${message(1, "c1")}`, { stays: true }),
  );
  const options = {
    url,
    retry: { delayMsInitial: 1 },
    onDisconnected: (why: { delayMs: number }) => waits.push(why.delayMs),
  };
  expect(await take(1, options)).toEqual(["1"]);
  expect(waits[0]).toBeGreaterThanOrEqual(1000);
  expect(waits.length).toBe(2);
});

test.each([
  [410, "expired"],
  [401, "unauthorized"],
  [403, "unauthorized"],
  [422, "refused"],
  [404, "refused"],
] as const)("%d is thrown as %s, after one request", async (status, kind) => {
  const { url, requests } = serve(problem(status));
  const error = await take(1, { url, key: "k" }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SubscriptionError);
  expect(error).toMatchObject({ kind, status, message: `${status}: as told` });
  expect(requests.map((headers) => headers.get("authorization"))).toEqual(["Bearer k"]);
});

test("a page that says 200 is no stream", async () => {
  const { url } = serve(() => new Response("<html>", { headers: { "content-type": "text/html" } }));
  await expect(take(1, { url })).rejects.toMatchObject({
    kind: "refused",
    message: expect.stringContaining("text/html"),
  });
});

test("leaving the loop closes the connection", async () => {
  const left = Promise.withResolvers<void>();
  const { url } = serve((request) => {
    request.signal.addEventListener("abort", () => left.resolve());
    return stream(`${opening("c0")}${message(1, "c1")}`, { stays: true })(request);
  });
  expect(await take(1, { url })).toEqual(["1"]);
  await left.promise;
});
