/** What a consumer does about answers that a healthy service does not give: from a server that gives them. */
import { afterEach, expect, test } from "bun:test";
import type { Server } from "bun";
import { consume, type Leased, SubscriptionError } from "../src/index.ts";

const servers: Server<undefined>[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(true);
});

const EVENT = { topic: "a", event_id: "0190163d-8694-739b-aea5-966c26f8ad91", payload: {} };

/** @param replies to what is asked, by the end of its path. */
function serve(replies: Readonly<Record<string, () => Response>>) {
  const paths: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      const path = new URL(request.url).pathname.split("/").at(-1) ?? "";
      paths.push(path);
      return replies[path]?.() ?? new Response(null, { status: 500 });
    },
  });
  servers.push(server);
  return { url: server.url.href, paths };
}

const html = () => new Response("<html>", { headers: { "content-type": "text/html" } });

async function first(url: string): Promise<Leased> {
  for await (const leased of consume({ url, subscription: "s", signal: AbortSignal.timeout(5000) })) return leased;
  throw new Error("nothing was handed out");
}

test.each([
  ["a page", html, "text/html"],
  ["JSON of something else", () => Response.json({ status: "fine" }), "hands out no events"],
  ["events that are none", () => Response.json({ events: [null] }), "hands out no events"],
])("%s that says 200 is no answer to `next`, and asking again would not change it", async (_, next, words) => {
  const { url, paths } = serve({ next });
  const error = await first(url).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SubscriptionError);
  expect(error).toMatchObject({ kind: "refused", message: expect.stringContaining(words) });
  expect(paths).toEqual(["next"]);
});

test.each([
  ["a page", html],
  ["JSON of something else", () => Response.json({ status: "fine" })],
  ["an answer to the opposite", () => Response.json({ returned: 1, stale: [] })],
])("%s that says 200 acknowledges nothing", async (_, ack) => {
  const { url } = serve({
    next: () => Response.json({ events: [{ ack_id: "1-1-1", delivery: 1, event: EVENT }] }),
    ack,
  });
  const leased = await first(url);
  await expect(leased.ack()).rejects.toMatchObject({ name: "SubscriptionError", kind: "refused", status: 200 });
});
