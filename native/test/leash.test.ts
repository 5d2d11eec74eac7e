/** A test run that is killed must not leave its servers behind; only Linux's kernel can see to that. */
import { expect, test } from "bun:test";
import { isAlive, killTree } from "../src/processes.ts";
import { waitFor } from "../src/wait.ts";

const index = new URL("../src/index.ts", import.meta.url).pathname;
const program = `
  import { startPostgres, startRedis } from ${JSON.stringify(index)};
  const servers = [await startRedis({}), await startPostgres({})];
  console.log(JSON.stringify(servers.map((server) => server.pid)));
  await new Promise(() => setInterval(() => {}, 60_000));
`;

test.if(process.platform === "linux")(
  "servers end with the program that started them, even when it is killed",
  async () => {
    const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe" });
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    const pids: number[] = JSON.parse(new TextDecoder().decode(value));
    expect(pids.every(isAlive)).toBe(true);
    child.kill("SIGKILL");
    await child.exited;
    await waitFor("the servers to end", 30_000, () => !pids.some(isAlive)).catch(async (error) => {
      for (const pid of pids) await killTree(pid);
      throw error;
    });
  },
);
