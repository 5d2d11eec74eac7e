/** What must be seen from outside while a dependency is away (P6). */
import { eventually } from "@sekali/aggregator/harness/eventually";
import { request } from "@sekali/aggregator/harness/http-client";
import type { Node } from "../stack/node.ts";
import type { World } from "../stack/world.ts";

/** How soon readiness has to say what is so. A lost network shows no sooner than a command's time-out. */
const READINESS_MS_MAX = 4_000;

/** Redis can't be reached by any of the nodes: each refuses within 2 s, and readiness says so. */
export async function expectRedisAway(world: World, nodes: readonly Node[] = world.nodes): Promise<void> {
  if (world.mixed) return;
  await Promise.all(nodes.map((node) => refuses(world, node)));
  await Promise.all(nodes.map((node) => readinessSays(world, node, 503, /"redis":\{"status":"(away|foreign)"/)));
}

/** Redis takes nothing, though it can be reached. */
export async function expectRefusal(world: World, nodes: readonly Node[] = world.nodes): Promise<void> {
  if (!world.mixed) await Promise.all(nodes.map((node) => refuses(world, node)));
}

/** Postgres can't be reached: publishes go on into the queue, and readiness names Postgres. */
export async function expectPostgresAway(world: World, nodes: readonly Node[] = world.nodes): Promise<void> {
  if (world.mixed) return;
  await Promise.all(nodes.map((node) => readinessSays(world, node, undefined, /"postgres":\{"status":"away"/)));
}

async function refuses(world: World, node: Node): Promise<void> {
  const before = world.clock.now();
  const { status } = await world.probe(node);
  const tookMs = Math.round(world.clock.now() - before);
  if (status !== 503) world.complain(`P6: ${node.name} answered ${status ?? "nothing"} while Redis took nothing`);
  if (tookMs > world.bounds.refusalMs) world.complain(`P6: ${node.name} needed ${tookMs} ms to refuse a publish`);
}

async function readinessSays(world: World, node: Node, status: number | undefined, body: RegExp): Promise<void> {
  const says = eventually(
    async () => {
      const response = await request(`${node.directUrl}/readyz`);
      const text = await response.text();
      if (status !== undefined && response.status !== status) throw new Error(`/readyz says ${response.status}`);
      if (!body.test(text)) throw new Error(`/readyz says ${text}`);
    },
    { within: READINESS_MS_MAX, what: `${node.name}'s readiness` },
  );
  await says.catch((error: Error) => world.complain(`P6: ${error.message}`));
}
