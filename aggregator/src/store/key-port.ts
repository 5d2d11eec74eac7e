/**
 * What a store owes to access: the keys that are good, the secret that sessions are signed with, and a place to note
 * when a key was used. For operators: making, listing and revoking keys.
 */

/** What a key may be good for. None of them includes another. */
export const KEY_SCOPES = ["publish", "read", "admin"] as const;
export type KeyScope = (typeof KEY_SCOPES)[number];

/** Of keys that are neither revoked nor expired: all of them are held in memory by every process. */
export const LIVE_KEYS_MAX = 1000;

export interface KeyQuota {
  /** Events a second that the key may publish. */
  readonly rate: number;
  /** Events that it may publish at once. */
  readonly burst: number;
}

export interface KeyDefinition {
  readonly name: string;
  /** SHA-256 of the key's text, in hexadecimal digits. */
  readonly digest: string;
  readonly scopes: readonly KeyScope[];
  /** Patterns without fault. */
  readonly topics: readonly string[];
  readonly quota: KeyQuota | undefined;
  /** From the moment of making or of reading, by the store's clock; undefined: never. */
  readonly expiresInMs: number | undefined;
}

/** A key that is neither revoked nor expired, as serving needs it. */
export interface LiveKey extends KeyDefinition {
  readonly id: number;
}

export interface KeyReader {
  liveKeys(): Promise<readonly LiveKey[]>;
  /** 32 random bytes, the same for every process of the installation. */
  sessionSecret(): Promise<Uint8Array>;
  /** Notes that keys were used now; of several processes that note the same within a minute, one writes. */
  noteUse(ids: readonly number[]): Promise<void>;
}

/** All times are RFC 3339. */
export interface KeyRecord {
  readonly name: string;
  readonly state: "live" | "expired" | "revoked";
  readonly scopes: readonly KeyScope[];
  readonly topics: readonly string[];
  readonly rate: number | null;
  readonly burst: number | null;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly revoked_at: string | null;
  /** To the minute or so. */
  readonly last_used_at: string | null;
}

/** For operators. */
export interface KeyKeeper {
  /** `taken`: the name stands for a key already, or for one that was revoked. `full`: `LIVE_KEYS_MAX` are live. */
  makeKey(definition: KeyDefinition): Promise<"made" | "taken" | "full">;
  /** All keys that ever were, by name. */
  keys(): Promise<readonly KeyRecord[]>;
  /** @returns what became of it. */
  revokeKey(name: string): Promise<"revoked" | "was revoked" | "unknown">;
}
