/**
 * The ceiling of a single-event publish: Elysia parses the same JSON, and answers the same bytes, and does nothing
 * else.
 */
import { Elysia } from "elysia";

const port = Number(process.argv[2]);

new Elysia()
  .post("/publish", () => ({ status: "queued", count: 1 }), { parse: "json" })
  .listen({
    port,
    hostname: "127.0.0.1",
  });
