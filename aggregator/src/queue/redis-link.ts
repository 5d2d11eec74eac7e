/**
 * The connections to Redis, and what may be believed of them.
 *
 * Nothing is queued while Redis is away and nothing is sent twice: `ioredis` resends unfulfilled commands by default,
 * which made two entries of one add. A command that does not answer in time takes its connection down with it, because
 * a link that swallows one answer swallows the next ones too. Reading has a connection of its own, so that a large
 * batch does not stand in the way of small adds; listening needs one by Redis's protocol.
 *
 * P1 holds only as far as Redis's settings go. They are read on every connection, and whatever falls short is said.
 */
import { Redis, type RedisOptions } from "ioredis";
import type { Logger } from "../ops/log.ts";
import { type ClientTls, connectionOptions, describeTlsFault, SPEAKS_NO_TLS } from "../tls.ts";
import { type Link, type LinkState, QueueAway } from "./port.ts";
import add from "./scripts/add.lua" with { type: "text" };
import backlog from "./scripts/backlog.lua" with { type: "text" };
import begin from "./scripts/begin.lua" with { type: "text" };
import read from "./scripts/read.lua" with { type: "text" };
import trim from "./scripts/trim.lua" with { type: "text" };

/** With what waits in this process, an unanswered publish fails within the 2 s of P6. */
const COMMAND_TIMEOUT_MS = 1200;
const CONNECT_TIMEOUT_MS = 2000;
const RECONNECT_DELAY_MS_MAX = 500;

const REQUIRED_SETTINGS: readonly (readonly [name: string, value: string, givenUp: string])[] = [
  ["appendonly", "yes", "acknowledged events do not survive a restart of Redis"],
  ["appendfsync", "always", "a power cut can take acknowledged events of the last seconds"],
  ["no-appendfsync-on-rewrite", "no", "while Redis rewrites its log, a power cut can take acknowledged events"],
  ["maxmemory-policy", "noeviction", "Redis may evict queued events when its memory is full"],
];

const UNKNOWN_RUN = "unknown";

const SCRIPTS = {
  addEntry: { lua: add, numberOfKeys: 2 },
  beginEpoch: { lua: begin, numberOfKeys: 3 },
  readBacklog: { lua: backlog, numberOfKeys: 2 },
  readEntries: { lua: read, numberOfKeys: 2 },
  trimEntries: { lua: trim, numberOfKeys: 3 },
};

export type ScriptName = keyof typeof SCRIPTS;
export type RedisReply = string | number | null | readonly RedisReply[];
type ScriptCall = (...args: (string | number)[]) => Promise<RedisReply>;

export class RedisLink implements Link {
  readonly #log: Logger;
  readonly #producer: Redis;
  readonly #consumer: Redis;
  readonly #subscriber: Redis;
  readonly #listeners: ((state: LinkState) => void)[] = [];
  readonly #channels: string[] = [];
  #state: LinkState = "away";
  #warnings: readonly string[] = [];
  #run = "";
  readonly #isSecure: boolean;
  /** Why a client's connection ended last: the call that was to make it only says "Connection is closed". */
  readonly #endings = new Map<Redis, string>();

  /** @param tls for a `rediss://` URL; all three connections speak it. */
  constructor(url: string, tls: ClientTls | undefined, log: Logger) {
    this.#log = log;
    this.#isSecure = tls !== undefined;
    const secure = tls === undefined ? {} : { tls: connectionOptions(tls, hostOf(url)) };
    this.#producer = new Redis(url, { ...options("producer"), ...secure });
    this.#consumer = new Redis(url, { ...options("consumer"), ...secure });
    this.#subscriber = new Redis(url, { ...options("subscriber"), ...secure, commandTimeout: undefined });
    for (const client of [this.#producer, this.#consumer, this.#subscriber]) this.#watch(client);
    this.#producer.on("ready", () => void this.#greet());
    this.#producer.on("close", () => this.#become("away"));
    this.#subscriber.on("ready", () => this.#subscribeAgain());
  }

  get state(): LinkState {
    return this.#state;
  }

  get durabilityWarnings(): readonly string[] {
    return this.#warnings;
  }

  /** Names the run of Redis that this link was last up with: another one after every start of Redis. */
  get run(): string {
    return this.#run;
  }

  onChange(listener: (state: LinkState) => void): void {
    this.#listeners.push(listener);
  }

  /** One try at each connection; afterwards they keep reconnecting by themselves. */
  async connect(): Promise<void> {
    const clients = [this.#producer, this.#consumer, this.#subscriber];
    const tries = await Promise.allSettled(
      clients.map((client) => (client.status === "ready" ? Promise.resolve() : client.connect())),
    );
    const failed = tries.findIndex((result) => result.status === "rejected");
    if (failed !== -1) {
      for (const client of clients) client.disconnect();
      throw new QueueAway(this.#whyNotConnected(clients[failed], tries[failed]));
    }
  }

  #whyNotConnected(client: Redis | undefined, attempt: PromiseSettledResult<void> | undefined): string {
    const said = attempt?.status === "rejected" ? describe(attempt.reason) : "";
    const reason = (client && this.#endings.get(client)) || said;
    const isPlainToSecure = !this.#isSecure && /ECONNRESET|^closed$/.test(reason);
    return isPlainToSecure ? `${reason}; a Redis that speaks TLS wants rediss://` : reason;
  }

  async subscribe(channel: string, listener: (message: string) => void): Promise<void> {
    this.#subscriber.on("message", (_channel, message) => listener(message));
    await this.#subscriber.subscribe(channel);
    this.#channels.push(channel);
  }

  /**
   * Instead of `autoResubscribe`, whose promise nobody can catch: a connection that is lost once more in that instant
   * would be an unhandled rejection. What is missed meanwhile, the slow poll finds.
   */
  #subscribeAgain(): void {
    if (this.#channels.length === 0) return;
    this.#subscriber.subscribe(...this.#channels).catch((error: unknown) => {
      this.#log.debug({ reason: describe(error) }, "Not subscribed; the next connection tries again");
    });
  }

  /** Runs a script on the connection of its kind. Every failure of the link comes out as QueueAway. */
  script(name: ScriptName, args: (string | number)[]): Promise<RedisReply> {
    const client = name === "addEntry" || name === "beginEpoch" ? this.#producer : this.#consumer;
    const call = (client as unknown as Record<ScriptName, ScriptCall>)[name];
    return this.#guard(client, call.apply(client, args));
  }

  async pipeline(commands: readonly (readonly string[])[]): Promise<readonly RedisReply[]> {
    const batch = this.#producer.pipeline(commands.map((command) => [...command]));
    const replies = (await this.#guard(this.#producer, batch.exec())) ?? [];
    return replies.map(([error, value]) => {
      if (error !== null) throw new QueueAway(describe(error));
      return value as RedisReply;
    });
  }

  readAnew(): void {
    if (this.#consumer.status === "ready") this.#consumer.disconnect(true);
  }

  /** Ends the connections at once; what is under way fails. */
  close(): void {
    for (const client of [this.#producer, this.#consumer, this.#subscriber]) client.disconnect();
  }

  async #guard<T>(client: Redis, reply: Promise<T>): Promise<T> {
    try {
      return await reply;
    } catch (error) {
      if (error instanceof Error && error.message === "Command timed out" && client.status === "ready") {
        client.disconnect(true);
      }
      throw new QueueAway(describe(error), { cause: error });
    }
  }

  #watch(client: Redis): void {
    // Without a listener an error of a connection would end the process. Each is logged once, by its "close".
    let last = "";
    client.on("error", (error: Error) => {
      last = this.#describeConnectionError(error);
    });
    client.on("close", () => {
      const connection = client.options.connectionName ?? "";
      const reason = last || "closed";
      this.#log.warn({ connection, reason }, "Redis away");
      this.#endings.set(client, reason);
      last = "";
    });
  }

  #describeConnectionError(error: Error): string {
    if (!this.#isSecure) return describe(error);
    if (error.message === "connect ETIMEDOUT") return `${error.message}: ${SPEAKS_NO_TLS}`;
    return describeTlsFault(error, "BROKER") ?? describe(error);
  }

  async #greet(): Promise<void> {
    this.#warnings = await this.#findDurabilityWarnings();
    for (const warning of this.#warnings) this.#log.warn({ setting: warning }, "Redis is less durable than promised");
    const run = await this.#findRun();
    if (run === undefined) return this.#producer.disconnect(true);
    this.#run = run;
    if (this.#producer.status === "ready") this.#become("up");
  }

  async #findDurabilityWarnings(): Promise<string[]> {
    const warnings: string[] = [];
    for (const [name, wanted, givenUp] of REQUIRED_SETTINGS) {
      try {
        const reply = (await this.#producer.config("GET", name)) as string[];
        const value = reply[1] ?? "unknown";
        if (value !== wanted) warnings.push(`${name} is ${value}, not ${wanted}: ${givenUp}`);
      } catch (error) {
        warnings.push(`${name} could not be checked (${describe(error)}): if it is not ${wanted}, ${givenUp}`);
      }
    }
    return warnings;
  }

  /**
   * All processes have to find the same name, or each would take the others' epochs for those of another run. So where
   * INFO is forbidden all runs have one name, and where it is not answered there is none: undefined.
   */
  async #findRun(): Promise<string | undefined> {
    try {
      return /^run_id:(\S+)/m.exec(await this.#producer.info("server"))?.[1] ?? UNKNOWN_RUN;
    } catch (error) {
      return error instanceof Error && error.name === "ReplyError" ? UNKNOWN_RUN : undefined;
    }
  }

  #become(state: LinkState): void {
    if (state === "away" && this.#state === "away") return;
    this.#state = state;
    if (state === "up") this.#log.info("Redis connected");
    for (const listener of this.#listeners) listener(state);
  }
}

function options(connectionName: string): Omit<RedisOptions, "replyMapping"> {
  return {
    connectionName: `sekali-${connectionName}`,
    protocol: 2,
    lazyConnect: true,
    scripts: SCRIPTS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: 5000,
    // A server that has become a replica keeps its connections: only a new one can find who leads now.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
    retryStrategy: () => Math.ceil(Math.random() * RECONNECT_DELAY_MS_MAX),
  };
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, "");
}
