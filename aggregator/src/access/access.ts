/**
 * Access as the service starts, asks and stops it: whether callers are asked for keys, and what there is to say of it.
 *
 * `ACCESS=open` asks nobody, which is right on loopback, and warned of wherever others can reach the port.
 */
import type { Config } from "../config.ts";
import type { Logger } from "../ops/log.ts";
import type { Route } from "../route.ts";
import type { KeyReader } from "../store/key-port.ts";
import { type Gate, KeyGate, OPEN_GATE } from "./gate.ts";
import { Keyring } from "./keyring.ts";
import { SessionRoutes } from "./session-routes.ts";

type AccessConfig = Pick<Config, "access" | "host" | "publishedHost">;

/** For `/readyz`. */
export interface AccessState {
  readonly mode: Config["access"];
  readonly warnings: readonly string[];
}

export class Access {
  readonly gate: Gate;
  readonly state: AccessState;
  readonly routes: readonly Route[];
  readonly #store: KeyReader;
  readonly #keys: { readonly keyring: Keyring; readonly gate: KeyGate } | undefined;
  readonly #log: Logger;

  constructor(config: AccessConfig, store: KeyReader, log: Logger) {
    this.#log = log;
    this.#store = store;
    const keyring = new Keyring(store, log);
    this.#keys = config.access === "keys" ? { keyring, gate: new KeyGate(keyring) } : undefined;
    this.gate = this.#keys?.gate ?? OPEN_GATE;
    this.routes = new SessionRoutes(this.#keys?.gate).routes;
    this.state = { mode: config.access, warnings: warningsOf(config) };
  }

  /** To be called before anybody is let in. @throws StoreAway */
  async start(): Promise<void> {
    for (const warning of this.state.warnings) this.#log.warn({ access: this.state.mode }, warning);
    if (this.#keys === undefined) return;
    const { keyring, gate } = this.#keys;
    gate.open(await this.#store.sessionSecret());
    await keyring.start();
    if (keyring.count === 0) {
      this.#log.warn({ access: this.state.mode }, "There is no key yet: `aggregator keys create` makes one");
    }
  }

  async stop(): Promise<void> {
    await this.#keys?.keyring.stop();
  }
}

function warningsOf({ access, host, publishedHost }: AccessConfig): readonly string[] {
  const reachedAt = publishedHost ?? host;
  if (access === "keys" || isLoopback(reachedAt)) return [];
  return [
    `ACCESS is open, and the service can be reached at ${reachedAt}: whoever reaches it can publish, read and ` +
      "delete. Set ACCESS=keys, or let it listen on loopback only.",
  ];
}

/** RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3, RFC 6761 section 6.3. */
export function isLoopback(host: string): boolean {
  return /^(127(\.\d{1,3}){3}|\[?::1\]?|([a-z0-9-]+\.)*localhost)$/i.test(host);
}
