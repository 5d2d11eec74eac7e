/** Text that came from outside, as it is to be read. */

/** Embeddings, overrides and isolates of writing direction, and their ends. */
const OVERRIDES = /[\u202a-\u202e\u2066-\u2069]/g;

/**
 * Shows what turns the direction of writing around as the escape that JSON has for it: unseen, it would make a text
 * read as another one ("live" for "evil"). Letters that are written from right to left are left alone.
 */
export function withoutOverrides(text: string): string {
  return text.replace(OVERRIDES, (character) => `\\u${character.charCodeAt(0).toString(16)}`);
}
