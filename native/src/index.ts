/**
 * Redis and Postgres on this machine without containers: for the tests, which kill and restart them, and for
 * `make up` where no container engine answers (see `up/`).
 *
 * A server here is a real process on loopback with its data in a folder of its own. Nothing is simulated: what a
 * test learns from it about crashes holds for the servers that Compose runs.
 */
export { freePort } from "./free-port.ts";
export { type PgBouncer, startPgBouncer } from "./pgbouncer.ts";
export { type PostgresOptions, type PostgresServer, type PostgresTls, startPostgres } from "./postgres.ts";
export { type RedisOptions, type RedisServer, type RedisTls, startRedis } from "./redis.ts";
export type { Server } from "./server.ts";
