/**
 * A TCP proxy that stands on one link of the program under test, in the test's own process.
 *
 * It forwards whole protocol messages and can, at any instant and without the program's help: watch them, hold a
 * message that a predicate names (and with it everything behind it on that connection and direction), delay and
 * throttle, stall a direction silently as a lost network does, reset connections, and refuse new ones. A held message
 * can be let go, or be lost with its connection. So a test can stop the world exactly "after the statement was sent,
 * before it arrived" or "after the commit, before its reply", and kill the program there.
 *
 * It refuses nothing and keeps everything in memory: it is made for the volumes of a test.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { within } from "./eventually.ts";
import { type Direction, type Framer, framer, type Protocol } from "./wire-framing.ts";

export interface Message {
  readonly direction: Direction;
  readonly bytes: Buffer;
  /** The message as Latin-1 text, for predicates: bytes above 0x7f do not matter to them. */
  readonly text: string;
  /** The link it travels on, counted from 1 in the order of connecting. */
  readonly link: number;
}

type Predicate = (message: Message) => boolean;

/** Stops every message that its predicate names, until it is released. */
export class Hold {
  readonly #reached = Promise.withResolvers<Message>();
  readonly #lanes = new Set<Lane>();
  #released = false;

  readonly #predicate: Predicate;
  readonly #forget: (hold: Hold) => void;

  constructor(predicate: Predicate, forget: (hold: Hold) => void) {
    this.#predicate = predicate;
    this.#forget = forget;
  }

  get count(): number {
    return this.#lanes.size;
  }

  /** The first message that was stopped; fails when none comes in time. */
  async reached(what: string, milliseconds = 15_000): Promise<Message> {
    return await within(this.#reached.promise, milliseconds, what);
  }

  /** Lets everything go on as if nothing had happened. */
  release(): void {
    this.#released = true;
    this.#forget(this);
    for (const lane of this.#lanes) lane.pump();
    this.#lanes.clear();
  }

  /** Loses what is held, resets the connections it came on, and stops nothing any more. */
  cut(): void {
    this.#released = true;
    this.#forget(this);
    for (const lane of this.#lanes) lane.link.reset();
    this.#lanes.clear();
  }

  stops(message: Message, lane: Lane): boolean {
    if (this.#released || !this.#predicate(message)) return false;
    this.#lanes.add(lane);
    this.#reached.resolve(message);
    return true;
  }
}

/** One direction of one connection. */
class Lane {
  readonly #queue: { readonly bytes: Buffer; readonly arrivedAtMs: number }[] = [];
  readonly #frame: Framer;
  #seen = 0;
  #ended = false;
  #delaying: ReturnType<typeof setTimeout> | undefined;
  #forwardedAtMs = 0;

  readonly link: Link;
  readonly #proxy: TcpProxy;
  readonly #direction: Direction;
  readonly #to: Socket;

  constructor(link: Link, proxy: TcpProxy, direction: Direction, to: Socket) {
    this.link = link;
    this.#proxy = proxy;
    this.#direction = direction;
    this.#to = to;
    this.#frame = framer(proxy.protocol, direction);
  }

  take(chunk: Buffer): void {
    const arrivedAtMs = performance.now();
    for (const bytes of this.#frame(chunk)) this.#queue.push({ bytes, arrivedAtMs });
    this.pump();
  }

  end(): void {
    this.#ended = true;
    this.pump();
  }

  /** What waited for its time goes on at once. */
  hurry(): void {
    clearTimeout(this.#delaying);
    this.#delaying = undefined;
    this.pump();
  }

  pump(): void {
    if (this.#delaying !== undefined) return;
    for (;;) {
      if (this.#proxy.isStalled(this.#direction)) return;
      const next = this.#queue[0];
      if (next === undefined) break;
      const { bytes } = next;
      const message = new LazyMessage(this.#direction, bytes, this.link.number);
      // A message is shown to the watchers once, even when it is held and comes by again.
      if (this.#seen === 0) this.#proxy.show(message);
      this.#seen = 1;
      if (this.#proxy.holds.some((hold) => hold.stops(message, this))) return;
      const waitMs = this.#waitMs(next);
      if (waitMs > 0) {
        this.#forwardLater(waitMs);
        return;
      }
      this.#forward();
    }
    if (this.#ended) this.#to.end();
  }

  #forward(): void {
    const next = this.#queue.shift();
    this.#seen = 0;
    this.#forwardedAtMs = performance.now();
    if (next !== undefined && this.#to.writable) this.#to.write(next.bytes);
  }

  /** A delay counts from the arrival, so that messages under way at once wait together; length counts for each. */
  #waitMs({ bytes, arrivedAtMs }: { readonly bytes: Buffer; readonly arrivedAtMs: number }): number {
    const { delayMs, transferMs } = this.#proxy.waitMs(this.#direction, bytes.length);
    const dueAtMs = Math.max(arrivedAtMs + delayMs, transferMs === 0 ? 0 : this.#forwardedAtMs + transferMs);
    return Math.ceil(dueAtMs - performance.now());
  }

  #forwardLater(waitMs: number): void {
    this.#delaying = setTimeout(() => {
      this.#delaying = undefined;
      this.#forward();
      this.pump();
    }, waitMs);
  }
}

class LazyMessage implements Message {
  #text: string | undefined;
  readonly direction: Direction;
  readonly bytes: Buffer;
  readonly link: number;

  constructor(direction: Direction, bytes: Buffer, link: number) {
    this.direction = direction;
    this.bytes = bytes;
    this.link = link;
  }
  get text(): string {
    this.#text ??= this.bytes.toString("latin1");
    return this.#text;
  }
}

/** One connection of the program, and the one that was opened for it. */
class Link {
  readonly lanes: readonly [Lane, Lane];

  readonly number: number;
  readonly #client: Socket;
  readonly #server: Socket;

  constructor(number: number, proxy: TcpProxy, client: Socket, server: Socket) {
    this.number = number;
    this.#client = client;
    this.#server = server;
    const requests = new Lane(this, proxy, "request", server);
    const replies = new Lane(this, proxy, "reply", client);
    this.lanes = [requests, replies];
    this.#join(client, requests, server);
    this.#join(server, replies, client);
  }

  #join(from: Socket, lane: Lane, to: Socket): void {
    from.setNoDelay(true);
    from.on("data", (chunk: Buffer) => lane.take(chunk));
    from.on("end", () => lane.end());
    from.on("error", () => to.destroy());
    from.on("close", () => lane.end());
  }

  reset(): void {
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }
}

/** What a message of one direction waits before it goes on: by itself, and for its length. */
export interface Pace {
  readonly delayMs?: number;
  readonly bytesPerSecond?: number;
}

export interface ProxyOptions {
  readonly protocol: Protocol;
  /** Port of the real server on 127.0.0.1. */
  readonly targetPort: number;
}

export class TcpProxy {
  readonly protocol: Protocol;
  readonly holds: Hold[] = [];
  /** What every message waits, in both directions. */
  delayMs = 0;
  readonly #paces = new Map<Direction, Pace>();
  readonly #links = new Set<Link>();
  readonly #stalled = new Set<Direction>();
  readonly #watchers = new Set<(message: Message) => void>();
  #refusing = false;
  #opened = 0;
  #listener: Server | undefined;

  /** Where new connections lead: as when a name comes to mean another server, open ones stay where they are. */
  targetPort: number;

  private constructor({ protocol, targetPort }: ProxyOptions) {
    this.protocol = protocol;
    this.targetPort = targetPort;
  }

  static async open(options: ProxyOptions): Promise<TcpProxy> {
    const proxy = new TcpProxy(options);
    const listener = createServer({ allowHalfOpen: true }, (client) => proxy.#accept(client));
    const listening = Promise.withResolvers<void>();
    listener.once("error", listening.reject);
    listener.listen(0, "127.0.0.1", () => listening.resolve());
    await listening.promise;
    proxy.#listener = listener;
    return proxy;
  }

  get port(): number {
    const address = this.#listener?.address();
    if (address === null || address === undefined || typeof address === "string") throw new Error("not listening");
    return address.port;
  }

  /** The same address with this proxy in between. */
  inFrontOf(url: string): string {
    const address = new URL(url);
    address.hostname = "127.0.0.1";
    address.port = String(this.port);
    return address.href;
  }

  /** Calls back with every message, before it is held or forwarded. Gives the function that ends it. */
  watch(watcher: (message: Message) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** From now on stops every message that the predicate names. */
  hold(direction: Direction, predicate: Predicate): Hold {
    const hold = new Hold(
      (message) => message.direction === direction && predicate(message),
      (released) => {
        const at = this.holds.indexOf(released);
        if (at >= 0) this.holds.splice(at, 1);
      },
    );
    this.holds.push(hold);
    return hold;
  }

  /** Silence, as of a lost network: connections stay open and nothing passes. */
  stall(...directions: Direction[]): void {
    for (const direction of directions) this.#stalled.add(direction);
  }

  /** From now on every message of the direction waits. */
  slow(direction: Direction, pace: Pace): void {
    this.#paces.set(direction, pace);
  }

  waitMs(direction: Direction, bytes: number): { readonly delayMs: number; readonly transferMs: number } {
    const { delayMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY } = this.#paces.get(direction) ?? {};
    return { delayMs: this.delayMs + delayMs, transferMs: (1000 * bytes) / bytesPerSecond };
  }

  isStalled(direction: Direction): boolean {
    return this.#stalled.has(direction);
  }

  /** Ends stalling, slowing and refusing; what was stalled is delivered. */
  heal(): void {
    this.#stalled.clear();
    this.#paces.clear();
    this.#refusing = false;
    this.delayMs = 0;
    for (const link of this.#links) for (const lane of link.lanes) lane.hurry();
  }

  /** Resets every connection; new ones are welcome. */
  reset(): void {
    for (const link of this.#links) link.reset();
  }

  /** Resets every connection and every new one, until healed. */
  refuse(): void {
    this.#refusing = true;
    this.reset();
  }

  close(): void {
    this.refuse();
    this.#listener?.close();
  }

  show(message: Message): void {
    for (const watcher of this.#watchers) watcher(message);
  }

  #accept(client: Socket): void {
    if (this.#refusing) {
      client.on("error", () => undefined);
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: this.targetPort, host: "127.0.0.1", allowHalfOpen: true });
    this.#opened += 1;
    const link = new Link(this.#opened, this, client, server);
    this.#links.add(link);
    server.on("close", () => this.#links.delete(link));
  }
}
