import { expect, spyOn, test } from "bun:test";
import { freePort, portIsFree } from "./free-port.ts";

const path = new URL("free-port.ts", import.meta.url).pathname;

test("gives different ports, below those of outgoing connections", async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, freePort));
  expect(new Set(ports).size).toBe(50);
  expect(ports.every((port) => port >= 20_000 && port < 32_000)).toBe(true);
  expect(await portIsFree(ports[0] ?? 0)).toBe(true);
});

test("what another process was given is not given again, though nobody listens there", async () => {
  const program = `
    import { freePort } from ${JSON.stringify(path)};
    console.log(await freePort());
    await new Promise(() => setInterval(() => {}, 60_000));
  `;
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  const port = Number(new TextDecoder().decode(value));
  const draw = spyOn(Math, "random").mockReturnValue((port + 0.5 - 20_000) / 12_000);
  try {
    expect(await portIsFree(port)).toBe(true);
    await expect(freePort()).rejects.toThrow("no free port");
    child.kill("SIGKILL");
    await child.exited;
    expect(await freePort()).toBe(port);
  } finally {
    draw.mockRestore();
    child.kill("SIGKILL");
  }
});
