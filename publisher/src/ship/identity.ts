/**
 * What makes a shipped line the same event as before.
 *
 * The event_id is the UUIDv5 of the source, the identity (a text that one may give), the line's offset, and the digest
 * of the file from its beginning to the end of that line (`lines.ts`). So it is a function of what the file says, and
 * of nothing else: not of its path, its inode or the time.
 *
 * - The same file again, copied, renamed, or piped through stdin: the same ids, nothing is stored twice.
 * - A run that was killed and is started again reads from the beginning: what was stored is a duplicate, the rest is
 *   new.
 * - A file that has grown: old lines keep their ids, appended lines get new ones. No minimum size, and no waiting
 *   until a head is long enough for a fingerprint, because each line is identified by what is before it, not by what
 *   is after it.
 * - Rotation, truncation, copytruncate: another content is another file from its first differing line on. Two files
 *   that begin with the same header line share that line and nothing else, which a fingerprint of the first line gets
 *   wrong (every `apt/history.log` begins with an empty line).
 *
 * The cost: two different files of one source that begin with the very same lines share these lines, and a file of
 * nothing but equal lines without times shares all of them. Who follows is warned of it, and `--identity` tells such
 * files apart. And a file edited in
 * its middle is another file from there on. Logs are appended to.
 */
import { v5 } from "uuid";
import { DIGEST_BYTES, type Line } from "./lines.ts";

/** Names this scheme. Another scheme needs another namespace, else its ids could meet these. */
const SHIP_NAMESPACE = "ca3bee43-6a70-4681-9384-c8aa4f41afcb";

/** For each (source, identity) a namespace of its own. JSON keeps `["a","b/c"]` apart from `["a/b","c"]`. */
export function lineNamespace(source: string, identity: string): Uint8Array {
  return v5(JSON.stringify([source, identity]), SHIP_NAMESPACE, new Uint8Array(16));
}

const OFFSET_BYTES = 8;

export function lineEventId(namespace: Uint8Array, line: Pick<Line, "offset" | "digest">): string {
  const name = new Uint8Array(OFFSET_BYTES + DIGEST_BYTES);
  new DataView(name.buffer).setBigUint64(0, BigInt(line.offset));
  name.set(line.digest, OFFSET_BYTES);
  return v5(name, namespace);
}
