/**
 * What the black-box tests are aimed at: the service that `SEKALI_URL` names, whatever runs behind it, or a stack of
 * their own. They know nothing but HTTP, use topics of their own, and assume neither an empty database nor silence:
 * another publisher may be at work.
 */
import { afterAll, beforeAll, expect } from "bun:test";
import type { AggregatorProcess } from "../harness/aggregator-process.ts";
import { backingServers, useBackingServers } from "../harness/backing-servers.ts";
import { eventually } from "../harness/eventually.ts";
import { type Problem, Publisher, request } from "../harness/http-client.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { disagreement, type Stats, statsOf } from "../harness/stats-watch.ts";

const given = process.env["SEKALI_URL"]?.replace(/\/+$/, "");

export interface StoredEvent {
  readonly topic: string;
  readonly event_id: string;
  readonly timestamp: string;
  readonly source: string;
  readonly payload: Record<string, unknown>;
  readonly received_at: string;
}

export interface Page {
  readonly events: StoredEvent[];
  /** The reply's own text, where the digits of numbers matter. */
  readonly text: string;
  /** Path and query of the next page, if there is one. */
  readonly next: string | undefined;
}

export class Target {
  readonly publisher = new Publisher(() => this.url);
  readonly #env: Record<string, string>;
  #stack: Stack | undefined;
  #aggregator: AggregatorProcess | undefined;

  /** @param env settings of a stack of its own; a service that is given has its own settings. */
  constructor(env: Record<string, string> = {}) {
    this.#env = env;
  }

  get url(): string {
    const url = given ?? this.#stack?.url;
    if (url === undefined) throw new Error("the target is not there yet");
    return url;
  }

  async open(): Promise<void> {
    if (given !== undefined) return;
    await backingServers();
    this.#stack = await openStack({ env: { SHARDS: "4", ...this.#env } });
    this.#aggregator = await this.#stack.start();
  }

  async close(): Promise<void> {
    await this.#stack?.[Symbol.asyncDispose]();
  }

  /** The log of a stack of its own; of a service that is given nobody knows it. */
  get log(): readonly string[] {
    return this.#aggregator?.log ?? [];
  }

  /** What the service itself took for a fault of its own. */
  get faults(): readonly string[] {
    return this.log.filter((line) => /"level":"(error|fatal)"/.test(line));
  }

  /** What the process of a stack of its own has in memory. */
  get residentBytes(): number | undefined {
    return this.#aggregator?.residentBytes;
  }

  /** `/stats`, held to P3. */
  async stats(): Promise<Stats> {
    const stats = await statsOf(this.url);
    if (stats === undefined) throw new Error("/stats does not answer");
    expect(disagreement(stats)).toBeUndefined();
    return stats;
  }

  /** One page; `where` is a topic, or the path that a `Link` header named. */
  async page(where: string, query = ""): Promise<Page> {
    const path = where.startsWith("/events") ? where : `/events?topic=${encodeURIComponent(where)}${query}`;
    const response = await request(new URL(path, this.url).href);
    const text = await response.text();
    expect({ status: response.status, text: response.status === 200 ? "" : text }).toEqual({ status: 200, text: "" });
    const next = /<([^>]*)>;\s*rel="?next"?/.exec(response.headers.get("link") ?? "")?.[1];
    return { events: JSON.parse(text) as StoredEvent[], text, next };
  }

  /** Waits until a topic shows as many events. */
  async shows(topic: string, count: number): Promise<StoredEvent[]> {
    return await eventually(
      async () => {
        const { events } = await this.page(topic, "&limit=1000");
        expect(events.length).toBe(count);
        return events;
      },
      { what: `${count} events in /events?topic=${topic}` },
    );
  }
}

/** To be called once at the top of a test file. */
export function useTarget(env: Record<string, string> = {}): Target {
  if (given === undefined) useBackingServers();
  const target = new Target(env);
  beforeAll(async () => await target.open());
  afterAll(async () => await target.close());
  return target;
}

/** Holds a reply to RFC 9457 and to what it must never tell; gives the problem. */
export async function expectProblem(response: Response, status: number): Promise<Problem> {
  const text = await response.text();
  expect({ status: response.status, text: response.status === status ? "" : text }).toEqual({ status, text: "" });
  expect(response.headers.get("content-type")).toStartWith("application/problem+json");
  const problem = JSON.parse(text) as Problem;
  expect(problem.status).toBe(status);
  expect(problem.type).toMatch(/^(about:blank|urn:sekali:problem:[a-z-]+)$/);
  expect(problem.title.length).toBeGreaterThan(0);
  expectDiscreet(text);
  return problem;
}

/** No stack, no driver's text, no path of the program may reach a caller. */
export function expectDiscreet(text: string): void {
  expect(text).not.toMatch(/\.[cm]?[jt]s\b|node_modules|ECONN|ioredis|PostgresError|SQLSTATE|elysia|\bBun\b/i);
}
