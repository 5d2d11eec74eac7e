/** Prometheus and promtool, as `make/prometheus` provides them: on the path, or unpacked below .tools/. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@sekali/native";
import { eventually } from "./eventually.ts";
import { request } from "./http-client.ts";

const UNPACKED = join(import.meta.dir, "../../../.tools/prometheus/usr/bin");

function tool(name: "prometheus" | "promtool"): string {
  const found = Bun.which(name) ?? Bun.which(name, { PATH: UNPACKED });
  if (found === null) throw new Error(`${name} is missing: run make/prometheus`);
  return found;
}

/** @returns what promtool said, where it is content. */
export async function promtool(...arguments_: string[]): Promise<string> {
  const child = Bun.spawn([tool("promtool"), ...arguments_], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [said, complained, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`promtool ${arguments_.join(" ")} ended with ${code}:\n${said}${complained}`);
  return said;
}

export interface QueryResult {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [seconds: number, value: string];
}

/** A Prometheus of the test's own. */
export class Prometheus implements AsyncDisposable {
  readonly #url: string;
  readonly #folder: string;
  readonly #child: Bun.Subprocess;

  private constructor(url: string, folder: string, child: Bun.Subprocess) {
    this.#url = url;
    this.#folder = folder;
    this.#child = child;
  }

  /** @param configFile the path of its configuration. */
  static async start(configFile: string): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), "sekali-prometheus-"));
    const address = `127.0.0.1:${await freePort()}`;
    const child = Bun.spawn(
      [
        tool("prometheus"),
        `--config.file=${configFile}`,
        `--storage.tsdb.path=${folder}`,
        `--web.listen-address=${address}`,
      ],
      { stdin: "ignore", stdout: "ignore", stderr: "ignore" },
    );
    const prometheus = new Prometheus(`http://${address}`, folder, child);
    await eventually(async () => {
      const reply = await request(`http://${address}/-/ready`);
      if (!reply.ok) throw new Error(`it says ${reply.status}`);
    });
    return prometheus;
  }

  async get(path: string, parameters: Record<string, string> = {}): Promise<unknown> {
    const reply = await request(`${this.#url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const body = (await reply.json()) as { status: string; error?: string; data: unknown };
    if (body.status !== "success") throw new Error(`${path}: ${body.error}`);
    return body.data;
  }

  async query(expression: string): Promise<readonly QueryResult[]> {
    return ((await this.get("query", { query: expression })) as { result: QueryResult[] }).result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
