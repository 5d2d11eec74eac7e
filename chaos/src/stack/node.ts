/**
 * One aggregator with a proxy on each of its links: clients to it, it to Redis, it to Postgres. When it is killed and
 * comes back it keeps its port, as a supervised process does, and what its predecessors logged is kept for the checker.
 */
import { AggregatorProcess } from "@sekali/aggregator/harness/aggregator-process";
import { TcpProxy } from "@sekali/aggregator/harness/tcp-proxy";
import { freePort } from "@sekali/native";
import type { Servers } from "./servers.ts";

export interface NodeOptions {
  readonly name: string;
  readonly servers: Servers;
  readonly env: Record<string, string>;
  readonly binary: string | undefined;
  /** Told of an end that nobody asked for. */
  readonly onEnd: (complaint: string) => void;
}

export class Node {
  readonly name: string;
  readonly client: TcpProxy;
  readonly redis: TcpProxy;
  readonly postgres: TcpProxy;
  readonly port: number;
  readonly #options: NodeOptions;
  readonly #processes: AggregatorProcess[] = [];
  readonly #mayEnd = new Set<AggregatorProcess>();
  #paused = false;

  private constructor(options: NodeOptions, port: number, client: TcpProxy, redis: TcpProxy, postgres: TcpProxy) {
    this.name = options.name;
    this.#options = options;
    this.port = port;
    this.client = client;
    this.redis = redis;
    this.postgres = postgres;
  }

  static async open(options: NodeOptions): Promise<Node> {
    const port = await freePort();
    const { redis, postgres } = options.servers;
    const links = await Promise.all([
      TcpProxy.open({ protocol: "http", targetPort: port }),
      TcpProxy.open({ protocol: "redis", targetPort: redis.port }),
      TcpProxy.open({ protocol: "postgres", targetPort: postgres.port }),
    ]);
    const node = new Node(options, port, ...links);
    await node.spawn();
    return node;
  }

  /** Where clients go: through the proxy. */
  get url(): string {
    return `http://127.0.0.1:${this.client.port}`;
  }

  /** Past the proxy, for the eyes of the harness. */
  get directUrl(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get links(): readonly TcpProxy[] {
    return [this.client, this.redis, this.postgres];
  }

  get process(): AggregatorProcess {
    const process = this.#processes.at(-1);
    if (process === undefined) throw new Error(`${this.name} was never started`);
    return process;
  }

  get isRunning(): boolean {
    return this.process.isRunning;
  }

  /** It runs and is not paused. */
  get isAwake(): boolean {
    return this.isRunning && !this.#paused;
  }

  /** What it and its predecessors logged. */
  get logs(): readonly string[] {
    return this.#processes.flatMap(({ log }) => log);
  }

  /** Starts the process where none runs, without waiting for it. */
  async spawn(): Promise<void> {
    if (this.#processes.length > 0 && this.isRunning) return;
    const { servers, env, name, binary, onEnd } = this.#options;
    const settings = {
      DATABASE_URL: this.postgres.inFrontOf(servers.postgres.url),
      BROKER_URL: this.redis.inFrontOf(servers.redis.url),
      ...servers.needs.aggregatorEnv,
      ...env,
    };
    const process = await AggregatorProcess.spawn(settings, { name, port: this.port, binary });
    this.#processes.push(process);
    this.#paused = false;
    void process.exited.then((code) => {
      if (this.#mayEnd.has(process)) return;
      onEnd(`${name} ended by itself with code ${code}:\n${process.tail()}`);
    });
  }

  async kill(): Promise<void> {
    this.#mayEnd.add(this.process);
    await this.process.kill();
  }

  /** SIGTERM; gives the exit code and how long that took. */
  async terminate(): Promise<{ readonly code: number; readonly tookMs: number }> {
    const before = performance.now();
    this.#mayEnd.add(this.process);
    const code = await this.process.terminate();
    return { code, tookMs: performance.now() - before };
  }

  pause(): void {
    this.#paused = true;
    this.process.pause();
  }

  resume(): void {
    this.#paused = false;
    this.process.resume();
  }

  /** Resident memory of the process, or undefined where it can't be known. */
  residentBytes(): number | undefined {
    return this.isRunning ? this.process.residentBytes : undefined;
  }

  async close(): Promise<void> {
    if (this.isRunning) await this.kill();
    for (const link of this.links) link.close();
  }
}
