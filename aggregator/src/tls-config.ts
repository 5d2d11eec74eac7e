/**
 * The part of the configuration that is about TLS: certificates are read and judged at start, so that a wrong file is
 * named here and not by a handshake. Each text is a variable, or a file that its `…_FILE` form names.
 */
import { ConfigError } from "./config-error.ts";
import { type ClientTls, certificatesFault, type Identity, keyFault } from "./tls.ts";

const BROKER = ["BROKER_CA", "BROKER_CERT", "BROKER_KEY"] as const;
const DATABASE = ["DATABASE_CA", "DATABASE_CERT", "DATABASE_KEY"] as const;

export type TlsVariable = (typeof BROKER)[number] | (typeof DATABASE)[number] | "TLS_CERT" | "TLS_KEY";
type ReadText = (name: TlsVariable) => string;

/** Of libpq, with what says the same here. The driver would send those it does not know to the server. */
const INSTEAD_OF_PARAMETERS: ReadonlyMap<string, string> = new Map([
  ["ssl", "sslmode"],
  ["sslrootcert", "DATABASE_CA_FILE"],
  ["sslcert", "DATABASE_CERT_FILE"],
  ["sslkey", "DATABASE_KEY_FILE"],
]);

/** Certificates without TLS are refused: whoever sets them counts on the link being encrypted. */
export function readBrokerTls(url: string, text: ReadText): ClientTls | undefined {
  const authorities = parseCertificates("BROKER_CA", text);
  const identity = parseIdentity("BROKER_CERT", "BROKER_KEY", text);
  if (url.startsWith("rediss:")) return { verify: "name", authorities, identity };
  const given = BROKER.find((name) => text(name) !== "");
  if (given === undefined) return undefined;
  throw new ConfigError(`${given} is set, but BROKER_URL begins with redis://; with TLS it is rediss://`);
}

export interface DatabaseLink {
  /** Without `sslmode`: what of it counts is in `tls`. */
  readonly url: string;
  /** Undefined: plain text. */
  readonly tls: ClientTls | undefined;
}

/**
 * `sslmode` means what it means to libpq (Postgres's manual, "SSL Support"), without the two modes that fall back to
 * plain text in silence. As there, `require` judges the certificate where an authority is given.
 */
export function readDatabaseLink(href: string, text: ReadText): DatabaseLink {
  const url = new URL(href);
  for (const [parameter, instead] of INSTEAD_OF_PARAMETERS) {
    if (url.searchParams.has(parameter)) throw new ConfigError(`DATABASE_URL has ${parameter}; it takes ${instead}`);
  }
  const mode = url.searchParams.get("sslmode") ?? "disable";
  url.searchParams.delete("sslmode");
  const authorities = parseCertificates("DATABASE_CA", text);
  const identity = parseIdentity("DATABASE_CERT", "DATABASE_KEY", text);
  if (mode === "disable") {
    const given = DATABASE.find((name) => text(name) !== "");
    if (given === undefined) return { url: url.href, tls: undefined };
    throw new ConfigError(`${given} is set, but DATABASE_URL asks for no TLS; sslmode=verify-full does`);
  }
  return { url: url.href, tls: { verify: whatIsJudged(mode, authorities !== undefined), authorities, identity } };
}

function whatIsJudged(mode: string, isAuthorityGiven: boolean): ClientTls["verify"] {
  if (mode === "require") return isAuthorityGiven ? "authority" : "nothing";
  if (mode === "verify-full") return "name";
  if (mode !== "verify-ca") {
    const why = mode === "prefer" || mode === "allow" ? ` (${mode} falls back to plain text in silence)` : "";
    const takes = `disable, require, verify-ca or verify-full${why}`;
    throw new ConfigError(`DATABASE_URL has sslmode=${JSON.stringify(mode)}; it takes ${takes}`);
  }
  if (isAuthorityGiven) return "authority";
  throw new ConfigError(
    "DATABASE_URL has sslmode=verify-ca, but DATABASE_CA is not set: any certificate of the web would do",
  );
}

/** What HTTPS is served with; undefined: HTTP in plain text. */
export function readHttpTls(text: ReadText): Identity | undefined {
  return parseIdentity("TLS_CERT", "TLS_KEY", text);
}

function parseCertificates(name: TlsVariable, text: ReadText): string | undefined {
  const certificates = text(name);
  if (certificates === "") return undefined;
  const fault = certificatesFault(certificates);
  if (fault !== undefined) throw new ConfigError(`${name} ${fault}`);
  return certificates;
}

function parseIdentity(certificateName: TlsVariable, keyName: TlsVariable, text: ReadText): Identity | undefined {
  const certificate = parseCertificates(certificateName, text);
  const key = text(keyName);
  if (certificate === undefined && key === "") return undefined;
  if (certificate === undefined) throw new ConfigError(`${keyName} is set, but ${certificateName} is not`);
  if (key === "") throw new ConfigError(`${certificateName} is set, but ${keyName} is not`);
  const fault = keyFault({ certificate, key });
  if (fault !== undefined) throw new ConfigError(`${keyName} ${fault}; it takes the private key of ${certificateName}`);
  return { certificate, key };
}
