/** The reply is dropped and the connection cut: what was asked has happened, and the asker does not know. */
import type { Node } from "../stack/node.ts";
import type { World } from "../stack/world.ts";
import type { Fault } from "./fault.ts";
import { caught, holdAddReply, holdStatementReply, holdTakeUpCommit } from "./points.ts";

/** Every aggregator is published to all the time, but one may just be recovering. */
const CAUGHT_MS_MAX = 10_000;
const QUIET_SHARE = 0.5;

export const lostEnqueueReply: Fault = {
  name: "lost-enqueue-reply",
  title: "reply dropped on enqueue, then cut",
  touches: ["links"],
  injections: 100,
  perEpisode: 20,
  reduced: 4,
  async inject(world, draw) {
    const node = draw.pick(world.nodes);
    world.quiet ??= !world.mixed && draw.random() < QUIET_SHARE;
    if (world.quiet) return await loseOneReply(world, node);
    world.count("under load");
    const hold = holdAddReply(node);
    if ((await caught(hold, CAUGHT_MS_MAX)) !== undefined) hold.cut();
    else if (!world.mixed) throw new Error("no entry was added");
  },
};

/**
 * Nothing else is under way: what is counted in the end is then known to the delivery, and an entry that was sent twice
 * behind the publisher's back is one too many.
 */
async function loseOneReply(world: World, node: Node): Promise<void> {
  world.count("with nothing else under way");
  await world.clients.rest();
  try {
    const hold = holdAddReply(node);
    const asked = world.probe(node);
    if ((await caught(hold, CAUGHT_MS_MAX)) === undefined) throw new Error("no entry was added");
    hold.cut();
    const { status } = await asked;
    if (status !== 503) world.complain(`P6: ${node.name} answered ${status} to an add whose reply was lost`);
    await node.process.ready();
  } finally {
    world.clients.goOn();
  }
}

/** A batch is its own transaction, so its reply is the reply of the commit. */
const TAKE_UP_SHARE = 0.2;

export const lostCommitReply: Fault = {
  name: "lost-commit-reply",
  title: "reply dropped on COMMIT, then cut",
  touches: ["links"],
  injections: 100,
  perEpisode: 20,
  reduced: 4,
  async inject(world, draw) {
    const node = draw.pick(world.nodes);
    if (draw.random() < TAKE_UP_SHARE) {
      const commit = holdTakeUpCommit(node);
      node.redis.reset();
      const message = await caught(commit);
      if (message !== undefined) {
        const reply = node.postgres.hold("reply", ({ link }) => link === message.link);
        commit.release();
        if ((await caught(reply)) !== undefined) {
          world.count("of taking a shard up");
          reply.cut();
          return;
        }
      }
    }
    // Which of the aggregators gets the shards is their own affair: the first that stores is the one.
    const holds = await Promise.all(world.nodes.map((each) => holdStatementReply(each)));
    const held = holds.filter((hold) => hold !== undefined);
    if (held.length === 0 && !world.mixed) throw new Error("no batch was stored");
    for (const hold of held) {
      world.count("of a batch");
      hold.cut();
    }
  },
};
