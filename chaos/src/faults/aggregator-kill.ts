/** kill -9 of an aggregator: at random instants, and at each point of an event's way that a proxy can see. */
import type { Draw } from "@sekali/aggregator/harness/draw";
import type { Hold } from "@sekali/aggregator/harness/tcp-proxy";
import type { Node } from "../stack/node.ts";
import type { World } from "../stack/world.ts";
import type { Fault } from "./fault.ts";
import {
  caught,
  holdAddReply,
  holdAddRequest,
  holdReadReply,
  holdStatement,
  holdStatementReply,
  holdTakeUp,
  holdTakeUpCommit,
  holdTrimRequest,
} from "./points.ts";

type Point = (node: Node) => Promise<Hold | undefined>;

const at =
  (open: (node: Node) => Hold): Point =>
  async (node) => {
    const hold = open(node);
    return (await caught(hold)) === undefined ? undefined : hold;
  };

/** A lost connection to Redis makes the aggregator take its shards up again. */
const atTakeUp =
  (open: (node: Node) => Hold): Point =>
  async (node) => {
    const hold = open(node);
    node.redis.reset();
    return (await caught(hold)) === undefined ? undefined : hold;
  };

const POINTS: Readonly<Record<string, Point>> = {
  "before the entry arrives": at(holdAddRequest),
  "after the entry, before its reply": at(holdAddReply),
  "while what was read is on its way": at(holdReadReply),
  "before the statement arrives": at(holdStatement),
  "after the commit, before its reply": holdStatementReply,
  "before the trim arrives": at(holdTrimRequest),
  "while a shard is taken up": atTakeUp(holdTakeUp),
  "before the taking up commits": atTakeUp(holdTakeUpCommit),
};

/** Of all kills, how many come at an instant that nobody chose. */
const RANDOM_SHARE = 0.35;
const RANDOM_MS_MAX = 200;
const ALL_SHARE = 0.1;

export const aggregatorKill: Fault = {
  name: "aggregator-kill",
  title: "kill -9 of an aggregator, at random instants and at every point a proxy sees",
  touches: ["aggregators", "links"],
  injections: 200,
  perEpisode: 10,
  reduced: 4,
  async inject(world: World, draw: Draw) {
    if (draw.random() < RANDOM_SHARE) return await killAtRandom(world, draw);
    const node = draw.pick(world.nodes);
    const name = draw.pick(Object.keys(POINTS));
    const hold = await POINTS[name]?.(node);
    world.count(hold === undefined ? "at a random instant" : name);
    await node.kill();
    // What was on its way when the sender died either still arrives, or is lost with its connection.
    if (draw.random() < 0.5) hold?.release();
    else hold?.cut();
    await node.spawn();
  },
};

async function killAtRandom(world: World, draw: Draw): Promise<void> {
  const doomed = draw.random() < ALL_SHARE ? world.nodes : [draw.pick(world.nodes)];
  await Bun.sleep(draw.random() * RANDOM_MS_MAX);
  world.count(doomed.length === 1 ? "at a random instant" : "all at once, at a random instant");
  await Promise.all(doomed.map((node) => node.kill()));
  await Promise.all(doomed.map((node) => node.spawn()));
}
