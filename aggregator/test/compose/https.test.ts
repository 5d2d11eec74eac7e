/** `make up` with a certificate, in a project of its own: HTTPS, whole, for everybody and for the publisher. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "@sekali/native";
import { Authority, type CertificateFiles, writeCertificate } from "../harness/certificates.ts";
import { eventually } from "../harness/eventually.ts";
import { composeUrl } from "./compose.ts";

const ROOT = join(import.meta.dir, "..", "..", "..");

let authority: Authority;
let files: CertificateFiles;
let env: Record<string, string | undefined>;
let url: string;

async function make(target: string, over: Record<string, string> = {}): Promise<void> {
  const command = ["make", "--no-print-directory", target];
  const child = Bun.spawn(command, { cwd: ROOT, env: { ...env, ...over }, stdout: "ignore", stderr: "pipe" });
  const [code, said] = await Promise.all([child.exited, child.stderr.text()]);
  if (code !== 0) throw new Error(`make ${target} ended with ${code}:\n${said}`);
}

beforeAll(async () => {
  composeUrl();
  authority = await Authority.make();
  files = writeCertificate(await authority.sign({ names: ["sekali.example", "localhost", "127.0.0.1"] }));
  const authorityFile = join(files.folder, "authority.pem");
  writeFileSync(authorityFile, authority.certificate);
  const port = await freePort();
  url = `https://127.0.0.1:${port}`;
  env = {
    ...process.env,
    COMPOSE_PROJECT_NAME: "sekali-test-tls",
    PORT: String(port),
    TLS_CERT_FILE: files.certificate,
    TLS_KEY_FILE: files.key,
    NODE_EXTRA_CA_CERTS: authorityFile,
  };
  await make("up");
});
afterAll(async () => {
  await compose("down", "--volumes", "--timeout", "20");
  for (const name of ["tls_cert", "tls_key", "tls_authority"]) rmSync(join(ROOT, ".secrets", name), { force: true });
  rmSync(files.folder, { recursive: true, force: true });
});

async function compose(...words: string[]): Promise<string> {
  const child = Bun.spawn(["docker", "compose", ...words], { cwd: ROOT, env, stdout: "pipe", stderr: "ignore" });
  const [said] = await Promise.all([child.stdout.text(), child.exited]);
  return said;
}

const stats = async () => {
  const response = await fetch(`${url}/stats`, { keepalive: false, tls: { ca: authority.certificate } });
  return (await response.json()) as Record<string, number>;
};

test("who trusts the authority is answered, and the publisher, which judges the certificate, is at work", async () => {
  await eventually(async () => expect((await stats())["unique_processed"]).toBeGreaterThan(5), { within: 60_000 });
  await expect(fetch(`${url}/stats`, { keepalive: false })).rejects.toThrow();
  await expect(fetch(`${url.replace("https", "http")}/stats`)).rejects.toThrow();
});

test.each([
  ["that is for addresses alone", { names: ["127.0.0.1"] }, "names no host"],
  ["with another one's key", { names: ["sekali.example"], isOfAnother: true }, "is the key of another certificate"],
])("a certificate %s is refused before any container starts", async (_, { names, ...key }, complaint) => {
  const own = await authority.sign({ names });
  const other = await authority.sign();
  const pair = writeCertificate({ certificate: own.certificate, key: "isOfAnother" in key ? other.key : own.key });
  const project = { COMPOSE_PROJECT_NAME: "sekali-test-refused" };
  const over = { ...project, TLS_CERT_FILE: pair.certificate, TLS_KEY_FILE: pair.key };
  await expect(make("up", over)).rejects.toThrow(complaint);
  rmSync(pair.folder, { recursive: true });
});

test("a renewed certificate is served after another `make up`, without a restart", async () => {
  const container = await compose("ps", "--quiet", "aggregator");
  const renewed = await authority.sign({ names: ["sekali.example", "127.0.0.1"] });
  writeFileSync(files.certificate, renewed.certificate);
  writeFileSync(files.key, renewed.key);
  await make("up");
  await eventually(
    async () => {
      const shown: string[] = [];
      const checkServerIdentity = (_: string, certificate: { subjectaltname?: string }) => {
        shown.push(certificate.subjectaltname ?? "");
        return undefined;
      };
      await fetch(`${url}/healthz`, { keepalive: false, tls: { ca: authority.certificate, checkServerIdentity } });
      expect(shown).toEqual(["DNS:sekali.example, IP Address:127.0.0.1"]);
    },
    { within: 60_000 },
  );
  expect(container).not.toBe("");
  expect(await compose("ps", "--quiet", "aggregator")).toBe(container);
});
