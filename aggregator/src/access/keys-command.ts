/**
 * `aggregator keys`: makes, lists and revokes keys, in Postgres itself, as whoever owns the tables there.
 *
 * `create` prints the key and nothing else on standard output, once: only its digest is kept.
 */
import { topicPatternFault } from "@sekali/contract";
import type { Command } from "commander";
import {
  KEY_SCOPES,
  type KeyDefinition,
  type KeyKeeper,
  type KeyRecord,
  type KeyScope,
  LIVE_KEYS_MAX,
} from "../store/key-port.ts";
import { digestOf, makeKeyText } from "./key-text.ts";

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const TOPICS_MAX = 100;
const RATE_MAX = 1_000_000;
const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The command can't be carried out as it stands: its message is for whoever typed it. */
export class KeysRefused extends Error {
  override readonly name = "KeysRefused";
}

export interface KeysTerminal {
  /** Standard output. */
  print(text: string): void;
  /** Standard error. */
  note(text: string): void;
}

/** Opens the store for one command. */
export type WithKeys = (work: (keys: KeyKeeper) => Promise<void>) => Promise<void>;

interface CreateOptions {
  readonly name: string;
  readonly scopes: string;
  readonly topics: string;
  readonly rate?: string;
  readonly burst?: string;
  readonly expires?: string;
}

export function addKeysCommands(program: Command, withKeys: WithKeys, terminal: KeysTerminal): void {
  const keys = program.command("keys").description("make, list and revoke keys (ACCESS=keys asks for them)");
  keys
    .command("create")
    .description("make a key and print it, once: only its digest is kept")
    .requiredOption("--name <name>", "what it is called in lists and logs")
    .requiredOption("--scopes <scopes>", `what it is good for: some of ${KEY_SCOPES.join(",")}; none includes another`)
    .option("--topics <patterns>", "the topics it is good for, with commas between: user.>,billing.*", ">")
    .option("--rate <events>", "events that it may publish in a second, unless there is no bound")
    .option("--burst <events>", "events that it may publish at once before that holds (default: the rate)")
    .option("--expires <when>", "after so long: 12h, 90d (default: never)")
    .action(async (options: CreateOptions) => {
      const definition = readDefinition(options);
      await withKeys((store) => createKey(definition, store, terminal));
    });
  keys
    .command("list")
    .description("all keys that ever were, and when each was last used")
    .option("--json", "as JSON")
    .action((options: { json?: boolean }) =>
      withKeys(async (store) => {
        const records = await store.keys();
        terminal.print(`${options.json ? JSON.stringify(records, null, 2) : formatKeys(records)}\n`);
      }),
    );
  keys
    .command("revoke")
    .argument("<name>")
    .description("let a key be good for nothing, within seconds and for ever")
    .action((name: string) => withKeys((store) => revokeKey(name, store, terminal)));
}

type Definition = Omit<KeyDefinition, "digest">;

/** @throws KeysRefused where the name is taken, or there is no room. */
async function createKey(definition: Definition, store: KeyKeeper, terminal: KeysTerminal): Promise<void> {
  const text = makeKeyText();
  const digest = digestOf(text);
  if (digest === undefined) throw new Error("a key that was just made has not the form of one");
  const outcome = await store.makeKey({ ...definition, digest });
  if (outcome === "taken") {
    throw new KeysRefused(`the name ${definition.name} stands for a key already; that of a revoked one stays taken`);
  }
  if (outcome === "full") throw new KeysRefused(`there are ${LIVE_KEYS_MAX} live keys, as many as may be`);
  const { name, scopes, topics } = definition;
  terminal.note(`made ${name}: ${scopes.join(", ")} on ${topics.join(", ")}. It is shown this once:`);
  terminal.print(`${text}\n`);
}

/** @throws KeysRefused saying which option is wrong. */
function readDefinition({ name, scopes, topics, rate, burst, expires }: CreateOptions): Definition {
  if (!NAME.test(name)) {
    throw new KeysRefused("--name takes 1 to 64 characters: letters, digits, dot, underscore and hyphen");
  }
  if (rate === undefined && burst !== undefined) throw new KeysRefused("--burst is nothing without --rate");
  const perSecond = rate === undefined ? undefined : readCount("--rate", rate);
  return {
    name,
    scopes: readScopes(scopes),
    topics: readTopics(topics),
    quota: perSecond === undefined ? undefined : { rate: perSecond, burst: readBurst(burst, perSecond) },
    expiresInMs: expires === undefined ? undefined : readDuration(expires),
  };
}

async function revokeKey(name: string, store: KeyKeeper, terminal: KeysTerminal): Promise<void> {
  const outcome = await store.revokeKey(name);
  if (outcome === "unknown") throw new KeysRefused(`there is no key ${name}`);
  terminal.note(outcome === "revoked" ? `revoked ${name}` : `${name} was revoked before`);
}

function readScopes(text: string): readonly KeyScope[] {
  const scopes = KEY_SCOPES.filter((scope) => split(text).includes(scope));
  if (scopes.length > 0 && scopes.length === new Set(split(text)).size) return scopes;
  throw new KeysRefused(`--scopes takes some of ${KEY_SCOPES.join(",")}, with commas between; it got ${text}`);
}

function readTopics(text: string): readonly string[] {
  const topics = [...new Set(split(text))];
  if (topics.length === 0 || topics.length > TOPICS_MAX) {
    throw new KeysRefused(`--topics takes 1 to ${TOPICS_MAX} patterns, with commas between`);
  }
  for (const topic of topics) {
    const fault = topicPatternFault(topic);
    if (fault !== undefined) throw new KeysRefused(`--topics: ${JSON.stringify(topic)} ${fault}`);
  }
  return topics;
}

function readCount(option: string, text: string): number {
  const value = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= RATE_MAX) return value;
  throw new KeysRefused(`${option} takes a whole number of events from 1 to ${RATE_MAX}; it got ${text}`);
}

function readBurst(text: string | undefined, rate: number): number {
  return text === undefined ? rate : readCount("--burst", text);
}

function readDuration(text: string): number {
  const [, amount = "", unit = ""] = /^([1-9]\d{0,4})([mhd])$/.exec(text) ?? [];
  const ms = Number(amount) * (UNITS_MS[unit] ?? 0);
  if (ms > 0) return ms;
  throw new KeysRefused(`--expires takes a time from now on: 30m, 12h, 90d; it got ${text}`);
}

function split(text: string): readonly string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** A table for people. */
function formatKeys(records: readonly KeyRecord[]): string {
  const minute = (time: string | null) => (time === null ? "never" : time.slice(0, 16).replace("T", " "));
  const rows = records.map((key) => [
    key.name,
    key.state,
    key.scopes.join(","),
    key.topics.join(","),
    key.rate === null ? "no bound" : `${key.rate}/s, ${key.burst} at once`,
    minute(key.created_at),
    minute(key.expires_at),
    minute(key.last_used_at),
  ]);
  const table = [["name", "state", "scopes", "topics", "rate", "created", "expires", "last used (UTC)"], ...rows];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
