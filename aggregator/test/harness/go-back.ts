/** A server whose data folder is put back as it once was, as after a restore or a failover to a replica that lagged. */
import { renameSync, rmSync } from "node:fs";
import type { BackingServers } from "./backing-servers.ts";

/** Owners, modes and times stay: a server that runs as another user must be able to read its files. */
export function copyFolder(from: string, to: string): void {
  const { exitCode, stderr } = Bun.spawnSync(["cp", "-a", from, to]);
  if (exitCode !== 0) throw new Error(`cp failed: ${stderr.toString()}`);
}

type Server = BackingServers["redis" | "postgres"];

/** Runs `meanwhile` and then gives the server its data folder back as it was before. */
export async function goBack(server: Server, meanwhile: () => Promise<void>): Promise<void> {
  const folder = server.dataDir;
  const copy = `${folder}.copy`;
  await server.stop();
  copyFolder(folder, copy);
  await server.start();
  await meanwhile();
  await server.stop();
  rmSync(folder, { recursive: true });
  renameSync(copy, folder);
  await server.start();
}
