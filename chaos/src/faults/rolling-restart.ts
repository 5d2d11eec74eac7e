/** Every aggregator is told to end and is replaced, one after the other, while publishers go on. */
import type { Fault } from "./fault.ts";

const READY_MS_MAX = 60_000;

export const rollingRestart: Fault = {
  name: "rolling-restart",
  title: "rolling restart of all aggregators under load",
  touches: ["aggregators"],
  injections: 20,
  perEpisode: 5,
  reduced: 1,
  async inject(world, draw) {
    for (const node of draw.shuffled(world.nodes)) {
      const { code, tookMs } = await node.terminate();
      if (code !== 0) world.complain(`${node.name} ended with code ${code} after SIGTERM:\n${node.process.tail()}`);
      if (tookMs > world.bounds.exitMs) world.complain(`${node.name} needed ${Math.round(tookMs)} ms to end`);
      await node.spawn();
      await node.process.ready(READY_MS_MAX);
    }
  },
};
