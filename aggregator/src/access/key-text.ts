/**
 * What a key looks like, and what is kept of it.
 *
 * `sekali_` and 256 random bits: the prefix lets people and secret scanners tell what they have found. Only the SHA-256
 * of the text is stored. A slow hash (scrypt, Argon2) protects what people think up, which can be guessed; nobody
 * guesses 256 random bits, and each request would pay for it.
 */
import { hash, randomBytes, timingSafeEqual } from "node:crypto";

const PREFIX = "sekali_";
const RANDOM_BYTES = 32;
const FORM = /^sekali_[A-Za-z0-9_-]{43}$/;

export function makeKeyText(): string {
  return `${PREFIX}${randomBytes(RANDOM_BYTES).toString("base64url")}`;
}

/** @returns SHA-256 in hexadecimal digits; undefined for what has not the form of a key, and so is none. */
export function digestOf(text: string): string | undefined {
  return FORM.test(text) ? hash("sha256", text, "hex") : undefined;
}

export function digestBytes(digest: string): Uint8Array {
  return Buffer.from(digest, "hex");
}

/** In constant time. What is compared are digests, of which nobody chooses the bytes; this way nobody needs to ask. */
export function isDigest(digest: string, known: Uint8Array): boolean {
  const bytes = digestBytes(digest);
  return bytes.length === known.length && timingSafeEqual(bytes, known);
}
