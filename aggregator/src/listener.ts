/**
 * Where HTTP is listened to, over TLS or in plain text.
 *
 * Bun can't exchange the certificate of a server (its `reload` ignores it). So a new certificate is a new server on the
 * same port, made in the turn of the event loop in which the old one stops to listen: what that one has in flight is
 * answered, streams go on until they end, idle connections are closed. A connection that is being made in that very
 * instant can be reset; whoever made it connects again.
 */
import { createSecureContext } from "node:tls";
import type { Identity } from "./tls.ts";

type Server = ReturnType<typeof Bun.serve>;

export interface Place {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Undefined: plain text. */
  readonly tls: Identity | undefined;
}

/** A connection without a request is kept for as long as an idle publisher may want it. */
const IDLE_CONNECTION_S = 60;

export class Listener {
  readonly #fetch: (request: Request) => Response | Promise<Response>;
  #place: Place;
  #current: Server | undefined;
  /** Those that do not listen any more, but still answer. */
  readonly #leaving = new Set<Server>();

  constructor(place: Place, fetch: (request: Request) => Response | Promise<Response>) {
    this.#place = place;
    this.#fetch = fetch;
  }

  get url(): URL {
    if (this.#current === undefined) throw new Error("the service does not listen");
    return this.#current.url;
  }

  /** What new connections are shown, in PEM; undefined: plain text. */
  get certificate(): string | undefined {
    return this.#place.tls?.certificate;
  }

  get pendingRequests(): number {
    return this.#servers.reduce((total, server) => total + server.pendingRequests, 0);
  }

  start(): void {
    this.#current = this.#listen(this.#place);
    // The next server comes to where this one is, though the port was Bun's choice.
    this.#place = { ...this.#place, port: Number(this.#current.url.port) };
  }

  /** For a request that is worked on: it is not cut off for being silent sooner than an idle connection. */
  keepAlive(request: Request): void {
    this.#current?.timeout(request, IDLE_CONNECTION_S);
  }

  /**
   * Serves this certificate from now on. Does nothing where it is served already.
   * @throws where the certificate can't be used; the one of before is then still served.
   */
  renew(tls: Identity): boolean {
    const { tls: served } = this.#place;
    if (served === undefined)
      throw new Error("the service was started without TLS; it takes a restart to begin with it");
    if (served.certificate === tls.certificate && served.key === tls.key) return false;
    createSecureContext({ cert: tls.certificate, key: tls.key });
    const before = this.#current;
    if (before === undefined) throw new Error("the service does not listen");
    this.#leave(before);
    try {
      this.#current = this.#listen({ ...this.#place, tls });
      this.#place = { ...this.#place, tls };
      return true;
    } catch (error) {
      this.#current = this.#listen(this.#place);
      throw error;
    }
  }

  /** Takes no more connections; resolves when all are closed. */
  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop()));
  }

  /** Cuts off what is left. */
  async end(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop(true)));
  }

  get #servers(): readonly Server[] {
    return this.#current === undefined ? [] : [this.#current, ...this.#leaving];
  }

  #leave(server: Server): void {
    this.#leaving.add(server);
    void server.stop().finally(() => this.#leaving.delete(server));
  }

  #listen({ host, port, tls }: Place): Server {
    return Bun.serve({
      hostname: host,
      port,
      idleTimeout: IDLE_CONNECTION_S,
      // The publish route refuses large bodies itself, with a reason; this is only the net under it.
      maxRequestBodySize: 2 ** 40,
      fetch: this.#fetch,
      ...(tls === undefined ? {} : { tls: { cert: tls.certificate, key: tls.key } }),
    });
  }
}
