/** Names the messages on an aggregator's links at which an event's way can be interrupted, and catches them. */
import type { Hold, Message } from "@sekali/aggregator/harness/tcp-proxy";
import type { Node } from "../stack/node.ts";

/** How long to wait for the load to bring a message by. */
const CAUGHT_MS_MAX = 4_000;

/** The message that was caught, or undefined when none came by: then the hold is over. */
export async function caught(hold: Hold, milliseconds = CAUGHT_MS_MAX): Promise<Message | undefined> {
  return await hold.reached("a message", milliseconds).catch(() => {
    hold.release();
    return undefined;
  });
}

const isStoreStatement = ({ text }: Message) => text.startsWith("B") && text.includes('"payload"');
const isTakeUp = ({ text }: Message) => text.includes("fence = fence + 1");
const isCommit = ({ text }: Message) => /^[QPB]/.test(text) && /\bcommit\b/i.test(text);
const isTrimOrMove = ({ text }: Message) => text.includes("moved ") && text.includes("}:tail");

export const holdAddRequest = (node: Node): Hold =>
  node.redis.hold("request", ({ text }) => text.includes('"payload"'));

export const holdAddReply = (node: Node): Hold => node.redis.hold("reply", ({ text }) => text.includes("added"));

export const holdReadReply = (node: Node): Hold =>
  node.redis.hold("reply", ({ text }) => text.includes('"payload"') && !text.includes("added"));

export const holdTrimRequest = (node: Node): Hold => node.redis.hold("request", isTrimOrMove);

export const holdStatement = (node: Node): Hold => node.postgres.hold("request", isStoreStatement);

/** The taking up of a shard, which happens on every connection to Redis. */
export const holdTakeUp = (node: Node): Hold => node.postgres.hold("request", isTakeUp);
export const holdTakeUpCommit = (node: Node): Hold => node.postgres.hold("request", isCommit);

/** Lets a statement go and stops its reply: it is committed, and its sender does not know. */
export async function holdStatementReply(node: Node): Promise<Hold | undefined> {
  const statement = holdStatement(node);
  const message = await caught(statement);
  if (message === undefined) return undefined;
  const reply = node.postgres.hold("reply", ({ link }) => link === message.link);
  statement.release();
  return (await caught(reply)) === undefined ? undefined : reply;
}
