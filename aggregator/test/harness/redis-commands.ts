/** Commands to Redis past the program under test, each on a connection of its own. */

export async function redisCommand(url: string, name: string, ...rest: string[]): Promise<unknown> {
  const client = new Bun.RedisClient(url, { autoReconnect: false, connectionTimeout: 5_000 });
  try {
    return await client.send(name, rest);
  } finally {
    client.close();
  }
}

/** The keys of one shard, as `src/queue/redis-queue.ts` describes them. */
export function shardKeys(prefix: string, shard: number): { head: string; stream: string; tail: string } {
  const key = (part: string) => `${prefix}:{${shard}}:${part}`;
  return { head: key("head"), stream: key("stream"), tail: key("tail") };
}

/** Adds an entry as the service itself would, whatever its fields hold: the head moves by `deliveries`. */
const ADD_RAW = `
  local head = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
  local seq = tonumber(head[2]) + tonumber(ARGV[1])
  redis.call('XADD', KEYS[2], head[1] .. '-' .. seq, unpack(ARGV, 2))
  redis.call('HSET', KEYS[1], 'seq', seq)
  return seq`;

export interface RawEntry {
  readonly url: string;
  readonly prefix: string;
  readonly shard: number;
  readonly deliveries: number;
  readonly fields: readonly string[];
}

/** Gives the seq of the entry's last delivery. */
export async function addRawEntry({ url, prefix, shard, deliveries, fields }: RawEntry): Promise<number> {
  const { head, stream } = shardKeys(prefix, shard);
  return Number(await redisCommand(url, "EVAL", ADD_RAW, "2", head, stream, String(deliveries), ...fields));
}
