/** What networks do: silence in one or both directions, resets, latency and little bandwidth, on any link. */
import type { Draw } from "@sekali/aggregator/harness/draw";
import type { TcpProxy } from "@sekali/aggregator/harness/tcp-proxy";
import type { Direction } from "@sekali/aggregator/harness/wire-framing";
import type { Node } from "../stack/node.ts";
import type { World } from "../stack/world.ts";
import { expectRedisAway } from "./away.ts";
import type { Fault } from "./fault.ts";

const LINKS = ["client", "redis", "postgres"] as const;
const DIRECTIONS: readonly (readonly Direction[])[] = [["request"], ["reply"], ["request", "reply"]];
const SILENCE_MS_MAX = 3_000;
const SLOWNESS_MS_MAX = 2_500;

interface Place {
  readonly world: World;
  readonly node: Node;
  readonly name: (typeof LINKS)[number];
  readonly link: TcpProxy;
  readonly directions: readonly Direction[];
  readonly draw: Draw;
}

const KINDS: Readonly<Record<string, (place: Place) => Promise<void>>> = {
  async "black hole"({ world, node, name, link, directions, draw }) {
    link.stall(...directions);
    if (name === "redis" && directions.length === 2 && draw.random() < 0.5) await expectRedisAway(world, [node]);
    else await Bun.sleep(draw.random() * SILENCE_MS_MAX);
    // Sometimes the other side has forgotten the connections by the time the network is back.
    if (draw.random() < 0.5) link.reset();
    link.heal();
  },
  async reset({ link, draw }) {
    for (let resets = draw.integer(1, 4); resets > 0; resets -= 1) {
      link.reset();
      await Bun.sleep(draw.random() * 200);
    }
    if (draw.random() < 0.5) {
      link.refuse();
      await Bun.sleep(draw.random() * SILENCE_MS_MAX);
      link.heal();
    }
  },
  async latency({ link, directions, draw }) {
    for (const direction of directions) link.slow(direction, { delayMs: draw.integer(20, 400) });
    await Bun.sleep(draw.random() * SLOWNESS_MS_MAX);
    link.heal();
  },
  async throttle({ link, directions, draw }) {
    for (const direction of directions) link.slow(direction, { bytesPerSecond: draw.integer(2_000, 100_000) });
    await Bun.sleep(draw.random() * SLOWNESS_MS_MAX);
    link.heal();
  },
};

export const network: Fault = {
  name: "network",
  title: "black hole, reset, latency, throttle on each link and direction",
  touches: ["links"],
  injections: 72,
  perEpisode: 6,
  reduced: 4,
  async inject(world, draw) {
    const kind = draw.pick(Object.keys(KINDS));
    const node = draw.pick(world.nodes);
    const name = draw.pick(LINKS);
    const directions = draw.pick(DIRECTIONS);
    world.count(`${kind}, ${name}${kind === "reset" ? "" : ` ${directions.join(" and ")}`}`);
    try {
      await KINDS[kind]?.({ world, node, name, link: node[name], directions, draw });
    } finally {
      node[name].heal();
    }
  },
};
