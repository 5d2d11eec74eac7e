/**
 * Certificates for the tests of TLS: an authority of the test's own, and what it signs, as PEM texts and as files.
 */
import { chmodSync, chownSync, mkdtempSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "selfsigned";

const DAY_MS = 86_400_000;
/** Longer than anything that it signs. */
const AUTHORITY_DAYS = 100;

/** PEM texts. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

export interface Subject {
  /** Whom it names: DNS names, or addresses. Without any: this machine's loopback. */
  readonly names?: readonly string[];
  /** How many days are left; negative where its time is over. */
  readonly days?: number;
}

export class Authority {
  readonly #own: Certificate;

  private constructor(own: Certificate) {
    this.#own = own;
  }

  static async make(name = "Sekali's tests"): Promise<Authority> {
    const { cert, private: key } = await generate([{ name: "commonName", value: name }], {
      ...KIND,
      ...lifetime(AUTHORITY_DAYS),
      extensions: [
        { name: "basicConstraints", cA: true, critical: true },
        { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
      ],
    });
    return new Authority({ certificate: cert, key });
  }

  /** What those who trust it are given. */
  get certificate(): string {
    return this.#own.certificate;
  }

  async sign({ names = ["localhost", "127.0.0.1"], days = 30 }: Subject = {}): Promise<Certificate> {
    const { cert, private: key } = await generate([{ name: "commonName", value: names[0] ?? "" }], {
      ...KIND,
      ...lifetime(days),
      ca: { cert: this.#own.certificate, key: this.#own.key },
      extensions: [
        { name: "basicConstraints", cA: false },
        { name: "keyUsage", digitalSignature: true, critical: true },
        { name: "extKeyUsage", serverAuth: true, clientAuth: true },
        {
          name: "subjectAltName",
          altNames: names.map((name) => (isAddress(name) ? { type: 7, ip: name } : { type: 2, value: name })),
        },
      ],
    });
    return { certificate: cert, key };
  }
}

const KIND = { keyType: "ec", curve: "P-256", algorithm: "sha256" } as const;

export interface CertificateFiles {
  readonly folder: string;
  readonly certificate: string;
  readonly key: string;
}

/**
 * Writes both into a folder of their own below the temporary folder.
 * @param ownerOf the key belongs to whom this folder belongs to: a server's data, where the server is not root.
 */
export function writeCertificate({ certificate, key }: Certificate, ownerOf?: string): CertificateFiles {
  const folder = mkdtempSync(join(tmpdir(), "sekali-certificate-"));
  chmodSync(folder, 0o755);
  const files = { folder, certificate: join(folder, "certificate.pem"), key: join(folder, "key.pem") };
  writeFileSync(files.certificate, certificate);
  writeFileSync(files.key, key, { mode: 0o600 });
  if (ownerOf !== undefined) {
    const { uid, gid } = statSync(ownerOf);
    chownSync(files.key, uid, gid);
  }
  return files;
}

function lifetime(days: number): { notBeforeDate: Date; notAfterDate: Date } {
  const now = Date.now();
  return { notBeforeDate: new Date(now - 10 * DAY_MS), notAfterDate: new Date(now + days * DAY_MS) };
}

function isAddress(name: string): boolean {
  return /^[\d.]+$|:/.test(name);
}
