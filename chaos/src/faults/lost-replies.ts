/** The reply is dropped and the connection cut: what was asked has happened, and the asker does not know. */
import type { Fault } from "./fault.ts";
import { caught, holdAddReply, holdStatementReply, holdTakeUpCommit } from "./points.ts";

/** Every aggregator is published to all the time, but one may just be recovering. */
const CAUGHT_MS_MAX = 10_000;

export const lostEnqueueReply: Fault = {
  name: "lost-enqueue-reply",
  title: "reply dropped on enqueue, then cut",
  touches: ["links"],
  injections: 100,
  perEpisode: 20,
  reduced: 4,
  async inject(world, draw) {
    const hold = holdAddReply(draw.pick(world.nodes));
    if ((await caught(hold, CAUGHT_MS_MAX)) !== undefined) hold.cut();
    else if (!world.mixed) throw new Error("no entry was added");
  },
};

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
