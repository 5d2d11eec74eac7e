/**
 * The part of the configuration that is about TLS: certificates are read and judged at start, so that a wrong file is
 * named here and not by a handshake. Each text is a variable, or a file that its `…_FILE` form names.
 */
import { ConfigError } from "./config-error.ts";
import { type ClientTls, certificatesFault, type Identity, keyFault } from "./tls.ts";

const BROKER = ["BROKER_CA", "BROKER_CERT", "BROKER_KEY"] as const;

export type TlsVariable = (typeof BROKER)[number];
type ReadText = (name: TlsVariable) => string;

/** Certificates without TLS are refused: whoever sets them counts on the link being encrypted. */
export function readBrokerTls(url: string, text: ReadText): ClientTls | undefined {
  const authorities = parseCertificates("BROKER_CA", text);
  const identity = parseIdentity("BROKER_CERT", "BROKER_KEY", text);
  if (url.startsWith("rediss:")) return { verify: "name", authorities, identity };
  const given = BROKER.find((name) => text(name) !== "");
  if (given === undefined) return undefined;
  throw new ConfigError(`${given} is set, but BROKER_URL begins with redis://; with TLS it is rediss://`);
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
