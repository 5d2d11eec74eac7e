/**
 * An aggregator is paused with a transaction or a statement open, for longer than every time-out, and resumed. What it
 * held must not keep the others, and what it does late must change nothing.
 */
import type { Draw } from "@sekali/aggregator/harness/draw";
import type { Node } from "../stack/node.ts";
import type { World } from "../stack/world.ts";
import type { Fault } from "./fault.ts";
import { caught, holdStatement, holdTakeUpCommit } from "./points.ts";

/** Longer than lock, idle, statement and client-side time-outs. */
const PAUSE_MS = { least: 9_500, most: 11_500 };
/** Less than a statement may wait for a lock. */
const LOCKED_MS = 3_000;

type Opening = (world: World, node: Node) => Promise<() => Promise<void>>;

/** Each opens something, pauses the node while it is open, and gives what lets it go on. */
const OPENINGS: Readonly<Record<string, Opening>> = {
  async "with the transaction open that takes a shard up"(_, node) {
    const commit = holdTakeUpCommit(node);
    node.redis.reset();
    await caught(commit);
    node.pause();
    return async () => commit.release();
  },
  async "with a batch read and its statement under way"(_, node) {
    const statement = holdStatement(node);
    await caught(statement);
    node.pause();
    return async () => statement.release();
  },
  async "with a statement that waits for a lock"(world, node) {
    await withIdentitiesLocked(world, async () => {
      await Bun.sleep(LOCKED_MS / 3);
      node.pause();
      await Bun.sleep(LOCKED_MS / 3);
    });
    return async () => undefined;
  },
};

async function withIdentitiesLocked(world: World, act: () => Promise<void>): Promise<void> {
  // Where Postgres is hurt at the same time, nobody can hold a lock for long: the pause alone must do.
  const trouble = (error: unknown) => {
    if (!world.mixed) throw error;
  };
  const connection = await world.sql.reserve().catch(trouble);
  try {
    await connection?.unsafe("BEGIN; LOCK TABLE identities IN EXCLUSIVE MODE").catch(trouble);
    await act();
  } finally {
    await connection?.unsafe("ROLLBACK").catch(trouble);
    connection?.release();
  }
}

export const aggregatorPause: Fault = {
  name: "aggregator-pause",
  title: "pause of an aggregator with its transaction open, past every time-out, then resume",
  touches: ["aggregators", "links"],
  injections: 21,
  perEpisode: 3,
  reduced: 1,
  async inject(world: World, draw: Draw) {
    const node = draw.pick(world.nodes);
    const name = draw.pick(Object.keys(OPENINGS));
    world.count(name);
    let letGo: (() => Promise<void>) | undefined;
    try {
      letGo = await OPENINGS[name]?.(world, node);
      const pausedAtMs = performance.now();
      if (!world.mixed) await world.recovered(world.nodes.filter((each) => each !== node));
      const left = draw.integer(PAUSE_MS.least, PAUSE_MS.most) - (performance.now() - pausedAtMs);
      await Bun.sleep(Math.max(0, left));
    } finally {
      await letGo?.();
      node.resume();
    }
  },
};
