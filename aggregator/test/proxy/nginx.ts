/** A real nginx with the repository's own configuration, of which only addresses and places are changed. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@sekali/native";
import type { CertificateFiles } from "../harness/certificates.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";

const CONFIGURATION = join(import.meta.dir, "../../../ops/proxy/nginx.conf");

/** Debian keeps it where only root's path leads. */
export const NGINX = Bun.which("nginx", { PATH: `${process.env["PATH"]}:/usr/sbin:/usr/local/sbin` });

export interface Nginx extends AsyncDisposable {
  readonly url: string;
  /** Where it would keep what it buffers. */
  readonly folder: string;
}

export async function startNginx(upstreamPort: number, files: CertificateFiles): Promise<Nginx> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "sekali-nginx-"));
  const site = replaceAll(readFileSync(CONFIGURATION, "utf8"), {
    "server 127.0.0.1:8080;": `server 127.0.0.1:${upstreamPort};`,
    "listen 443 ssl http2;": `listen 127.0.0.1:${port} ssl http2;`,
    "/etc/nginx/tls/fullchain.pem": files.certificate,
    "/etc/nginx/tls/privkey.pem": files.key,
  });
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${join(folder, kind)};`,
  );
  const main = [
    process.getuid?.() === 0 ? "user root;" : "",
    "daemon off;",
    "worker_processes 1;",
    `pid ${join(folder, "nginx.pid")};`,
    `error_log ${join(folder, "error.log")};`,
    "events {}",
    `http { access_log off; ${temporary.join(" ")} ${site} }`,
  ];
  const file = join(folder, "nginx.conf");
  writeFileSync(file, main.join("\n"));
  const child = Bun.spawn([NGINX ?? "nginx", "-p", folder, "-c", file], { stdout: "ignore", stderr: "inherit" });
  const url = `https://127.0.0.1:${port}`;
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(readFileSync(join(folder, "error.log"), "utf8"));
    await request(`${url}/healthz`);
  });
  return {
    url,
    folder,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function replaceAll(text: string, replacements: Record<string, string>): string {
  let replaced = text;
  for (const [from, to] of Object.entries(replacements)) {
    if (!replaced.includes(from)) throw new Error(`the configuration holds no ${from}`);
    replaced = replaced.replace(from, to);
  }
  return replaced;
}
