/** `aggregator tail` as a process of its own, against running aggregators. */
import { afterEach, expect, test } from "bun:test";
import { AggregatorProcess, commandLine, environment } from "../harness/aggregator-process.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvents } from "../harness/event-factory.ts";
import { eventually, within } from "../harness/eventually.ts";
import { Publisher } from "../harness/http-client.ts";
import { openStack, type Stack } from "../harness/stack.ts";

useBackingServers();
let stack: Stack;
const tails: Tail[] = [];
afterEach(async () => {
  for (const tail of tails.splice(0)) tail.child.kill("SIGKILL");
  await stack[Symbol.asyncDispose]();
});

class Tail {
  readonly child;
  out = "";
  err = "";

  constructor(...options: string[]) {
    this.child = Bun.spawn(commandLine("tail", ...options), { env: environment({}), stdout: "pipe", stderr: "pipe" });
    tails.push(this);
    void this.#collect(this.child.stdout, (text) => {
      this.out += text;
    });
    void this.#collect(this.child.stderr, (text) => {
      this.err += text;
    });
  }

  get lines(): string[] {
    return this.out.split("\n").filter((line) => line !== "");
  }

  async prints(count: number): Promise<string[]> {
    await eventually(() => {
      if (this.lines.length < count) throw new Error(`${this.lines.length} of ${count} lines; ${this.err}`);
    });
    return this.lines;
  }

  async #collect(stream: ReadableStream<Uint8Array>, keep: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) keep(decoder.decode(bytes, { stream: true }));
  }
}

test("follows by pattern, comes back by itself after a kill, prints each event once, ends at SIGINT with 0", async () => {
  stack = await openStack();
  const first = await stack.start();
  const early = makeEvents(20, { topic: "user.auth" });
  await stack.publisher.publishStored([...early, ...makeEvents(5, { topic: "shop.cart" })]);
  const tail = new Tail("--topic", "user.>", "--since", "1h", "--json", "--url", first.url);
  await tail.prints(20);
  await first.kill();
  await eventually(() => expect(tail.err).toContain("trying again"));
  const second = await AggregatorProcess.spawn(stack.environment(), { port: first.port });
  stack.aggregators.push(second);
  await second.ready();
  const late = makeEvents(20, { topic: "user.signup" });
  await new Publisher(() => second.url, stack.ledger).publishStored(late);
  const lines = await tail.prints(40);
  const ids = lines.map((line) => (JSON.parse(line) as { event_id: string }).event_id);
  expect(ids.sort()).toEqual([...early, ...late].map(({ event_id }) => event_id).sort());
  tail.child.kill("SIGINT");
  expect(await within(tail.child.exited, 5_000, "the end of tail")).toBe(0);
});

test("a pipe gets no colours; a reader that has had enough ends it quietly", async () => {
  stack = await openStack();
  const { url } = await stack.start();
  await stack.publisher.publishStored(makeEvents(500, { topic: "user.auth" }));
  const tail = commandLine("tail", "--since", "beginning", "--url", url).map((part) => `'${part}'`);
  const shell = Bun.spawn(["sh", "-c", `{ ${tail.join(" ")}; echo "code $?" >&2; } | head -n 3`], {
    env: environment({}),
    stdout: "pipe",
    stderr: "pipe",
  });
  const publishing = stack.publisher.publishStored(makeEvents(500));
  expect(await within(shell.exited, 20_000, "the end of the pipe")).toBe(0);
  await publishing;
  const out = await new Response(shell.stdout).text();
  expect(out.split("\n").filter((line) => line !== "")).toHaveLength(3);
  expect(Bun.stripANSI(out)).toBe(out);
  expect(await new Response(shell.stderr).text()).toBe("code 0\n");
});

test("a wrong pattern, and what the service refuses, end it with 2 and say why", async () => {
  stack = await openStack();
  const { url } = await stack.start();
  for (const [options, said] of [
    [["--topic", "a.>.b"], "--topic must"],
    [["--since", "yesterday"], "--since takes 30s"],
    [["--since", "00000000~0:1"], "422"],
  ] as const) {
    const tail = new Tail("--url", url, ...options);
    expect(await within(tail.child.exited, 10_000, "a refusal")).toBe(2);
    await eventually(() => expect(tail.err).toContain(said));
  }
});
