/**
 * The certificates that this process shows to others, and when they expire: for the scrape, and once a day for the log.
 *
 * It is the first certificate of each that counts. What follows it leads to an authority, and may hold a link that has
 * expired and that no client needs any more.
 */
import { X509Certificate } from "node:crypto";
import type { Logger } from "./log.ts";

/** What a certificate is shown for: HTTPS, or the link to Postgres or Redis. */
export type CertificateUse = "https" | "database" | "broker";

/** In PEM; undefined: none is shown there. */
export type ShownCertificates = Readonly<Record<CertificateUse, string | undefined>>;

const DAY_MS = 86_400_000;
/** Renewing tools come a month before the end. So much later they have failed for two weeks. */
export const WARNED_DAYS = 14;

export class CertificateWatch {
  readonly #shown: () => ShownCertificates;
  readonly #log: Pick<Logger, "warn" | "error">;
  readonly #now: () => number;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param now milliseconds since the Unix epoch. */
  constructor(shown: () => ShownCertificates, log: Pick<Logger, "warn" | "error">, now: () => number = Date.now) {
    this.#shown = shown;
    this.#log = log;
    this.#now = now;
  }

  /** By use, in milliseconds since the Unix epoch. */
  get expiries(): readonly (readonly [use: CertificateUse, expiresAtMs: number])[] {
    const uses = Object.entries(this.#shown()) as [CertificateUse, string | undefined][];
    return uses.flatMap(([use, pem]) => (pem === undefined ? [] : [[use, expiryOf(pem)] as const]));
  }

  start(): void {
    this.look();
    this.#timer = setInterval(() => this.look(), DAY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Says which of them expire soon, or have. */
  look(): void {
    for (const [certificate, expiresAtMs] of this.expiries) {
      const leftDays = (expiresAtMs - this.#now()) / DAY_MS;
      if (leftDays >= WARNED_DAYS) continue;
      const fields = { certificate, expires: new Date(expiresAtMs).toISOString() };
      if (leftDays > 0) this.#log.warn({ ...fields, days: Math.floor(leftDays) }, "Certificate expires soon");
      else this.#log.error(fields, "Certificate has expired");
    }
  }
}

function expiryOf(pem: string): number {
  return Date.parse(new X509Certificate(pem).validTo);
}
