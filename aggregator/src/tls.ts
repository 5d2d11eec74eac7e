/**
 * TLS as it is configured, and what its faults mean.
 *
 * A link is encrypted or it is not: nothing falls back to plain text, and nothing is sent before the other side's
 * certificate was judged. Texts are PEM. Private keys come from here to the libraries and go nowhere else.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { type ConnectionOptions, checkServerIdentity } from "node:tls";

/** A certificate, with what leads from it to its authority, and its private key. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

/** How this process speaks TLS to a server. */
export interface ClientTls {
  /** What of the server's certificate is judged: `name` is all of it, `nothing` keeps out listeners only. */
  readonly verify: "name" | "authority" | "nothing";
  /** Who may vouch for the server; undefined: whom Bun trusts, which is Mozilla's list. */
  readonly authorities: string | undefined;
  /** Who this process is, for servers that ask. */
  readonly identity: Identity | undefined;
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What is wrong with certificates in PEM, as the end of a sentence; undefined: nothing. */
export function certificatesFault(text: string): string | undefined {
  const certificates = text.match(PEM_CERTIFICATE) ?? [];
  if (certificates.length === 0) return "holds no certificate in PEM";
  for (const [index, certificate] of certificates.entries()) {
    try {
      new X509Certificate(certificate);
    } catch {
      return `holds a certificate, number ${index + 1}, that can't be read`;
    }
  }
  return undefined;
}

/** What is wrong with a private key, as the end of a sentence, which says nothing of what the key is. */
export function keyFault({ certificate, key }: Identity): string | undefined {
  try {
    const belongs = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
    return belongs ? undefined : "is the key of another certificate";
  } catch {
    return "holds no private key in PEM, or one with a passphrase";
  }
}

/**
 * @param host as in the URL: a name or an address, which the certificate has to be for; undefined where there are
 *   several, of which the caller's library connects to one.
 */
export function connectionOptions(tls: ClientTls, host: string | undefined): ConnectionOptions {
  const { verify, authorities, identity } = tls;
  return {
    rejectUnauthorized: verify !== "nothing",
    checkServerIdentity: (connectedTo, certificate) =>
      verify === "name" ? checkServerIdentity(host ?? connectedTo, certificate) : undefined,
    ...(authorities === undefined ? {} : { ca: authorities }),
    ...(identity === undefined ? {} : { cert: identity.certificate, key: identity.key }),
  };
}

const UNKNOWN_AUTHORITY = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/**
 * What a failed handshake means, for the operator; undefined where the error is none of TLS.
 * @param prefix of the variables that mend it.
 */
export function describeTlsFault(error: unknown, prefix: "BROKER" | "DATABASE"): string | undefined {
  const { code = "", message = "" } = error as { code?: string; message?: string };
  if (UNKNOWN_AUTHORITY.has(code)) {
    const cure = `${prefix}_CA_FILE names one that is`;
    return `its certificate is from an authority that is not trusted here (${code}); ${cure}`;
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `its certificate is for another name: ${message}`;
  if (code === "CERT_HAS_EXPIRED") return "its certificate has expired";
  if (code === "CERT_NOT_YET_VALID") return "its certificate is not valid yet; or this machine's clock is wrong";
  if (code === "TLS_REFUSED") return "it does not speak TLS";
  if (/CERTIFICATE_REQUIRED/.test(code)) {
    return `it wants a certificate from us, which ${prefix}_CERT_FILE and ${prefix}_KEY_FILE name`;
  }
  const alert = /ALERT_(\w+)$/.exec(code)?.[1];
  if (alert !== undefined) return `it has refused the handshake: ${alert.toLowerCase().replaceAll("_", " ")}`;
  if (/WRONG_VERSION_NUMBER|before secure TLS connection/.test(`${code} ${message}`)) return SPEAKS_NO_TLS;
  return undefined;
}

export const SPEAKS_NO_TLS = "it has not answered the TLS handshake; does it speak TLS on this port?";
