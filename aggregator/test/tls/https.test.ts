/** HTTP over TLS: what clients get, and that a renewed certificate is served without losing anything. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { connect } from "node:tls";
import { commandLine, environment } from "../harness/aggregator-process.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { Authority, type Certificate, type CertificateFiles, writeCertificate } from "../harness/certificates.ts";
import { makeEvent, makeEvents } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { Follower } from "../harness/follower.ts";
import { Load } from "../harness/load.ts";
import { metricsOf } from "../harness/metrics.ts";
import { openStack, type Stack } from "../harness/stack.ts";

useBackingServers();

let authority: Authority;
let authorityFile: string;
let files: CertificateFiles;
let stack: Stack;

beforeAll(async () => {
  authority = await Authority.make();
  files = writeCertificate(await authority.sign());
  authorityFile = `${files.folder}/authority.pem`;
  writeFileSync(authorityFile, authority.certificate);
});
afterEach(async () => await stack[Symbol.asyncDispose]());
afterAll(() => rmSync(files.folder, { recursive: true, force: true }));

async function start() {
  stack = await openStack();
  return await stack.start({ TLS_CERT_FILE: files.certificate, TLS_KEY_FILE: files.key });
}

/** As a renewing tool does it: one file after the other. */
function install({ certificate, key }: Certificate): void {
  writeFileSync(files.key, key);
  writeFileSync(files.certificate, certificate);
}

/** The names in the certificate that a new connection is shown, which has to be whole and of our authority. */
async function servedNames(port: number): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = connect(
      { host: "127.0.0.1", port, ca: authority.certificate, checkServerIdentity: () => undefined },
      () => {
        resolve(socket.getPeerCertificate().subjectaltname ?? "");
        socket.end();
      },
    );
    socket.once("error", reject);
  });
}

async function run(arguments_: string[], env: Record<string, string>) {
  const child = Bun.spawn(commandLine(...arguments_), { env: environment(env), stdout: "pipe", stderr: "pipe" });
  const [output, code] = await Promise.all([child.stdout.text(), child.exited]);
  return { output, code };
}

test("a client that trusts the authority publishes and reads; in plain text nobody is answered", async () => {
  const { url, port } = await start();
  const tls = { ca: authority.certificate };
  const published = await fetch(`${url}/publish?ack=stored`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(makeEvents(3)),
    tls,
  });
  expect(await published.json()).toMatchObject({ status: "stored", unique: 3 });
  const stats = await fetch(`${url}/stats`, { tls });
  expect(await stats.json()).toMatchObject({ unique_processed: 3 });
  await expect(fetch(`${url}/stats`)).rejects.toThrow();
  await expect(fetch(`http://127.0.0.1:${port}/stats`)).rejects.toThrow();
});

test("the health check asks over TLS, and `tail` follows over it", async () => {
  const { url, port } = await start();
  const env = { PORT: String(port), TLS_CERT_FILE: files.certificate, TLS_KEY_FILE: files.key };
  const health = await run(["healthcheck"], env);
  expect(health.code).toBe(0);
  expect(JSON.parse(health.output)).toMatchObject({ status: "ready" });
  await stack.publisher.publishStored(makeEvents(5));
  const tail = Bun.spawn(commandLine("tail", "--json", "--since", "beginning", "--url", url), {
    env: environment({ NODE_EXTRA_CA_CERTS: authorityFile }),
    stdout: "pipe",
    stderr: "ignore",
  });
  let printed = "";
  for await (const bytes of tail.stdout) {
    printed += new TextDecoder().decode(bytes);
    if (printed.trimEnd().split("\n").length === 5) break;
  }
  tail.kill("SIGKILL");
});

test("a renewed certificate is served after SIGHUP: streams go on, and what is published meanwhile is exact", async () => {
  const aggregator = await start();
  stack.watchStats();
  const follower = new Follower(() => stack.url, { returns: false });
  await eventually(() => expect(follower.connections).toHaveLength(1));
  const load = new Load(stack.publisher);
  for (let round = 1; round <= 5; round += 1) {
    await load.acknowledges(50);
    const name = `round-${round}.example`;
    install(await authority.sign({ names: [name] }));
    aggregator.hangUp();
    await eventually(async () => expect(await servedNames(aggregator.port)).toBe(`DNS:${name}`));
  }
  await load.acknowledges(50);
  await load.stop();
  const last = makeEvent();
  await stack.publisher.publishStored([last]);
  // On the connection that was made before all renewals.
  await eventually(() => expect(follower.connections[0]?.map(({ event_id }) => event_id)).toContain(last.event_id));
  expect(follower.connections).toHaveLength(1);
  const { rows } = await stack.expectExact();
  expect(rows.unique_processed).toBe(stack.ledger.identities.size);
  expect(await aggregator.terminate()).toBe(0);
  await follower.stop();
});

test("a certificate that was moved into place is served soon, without a signal", async () => {
  const aggregator = await start();
  install(await authority.sign({ names: ["moved.example"] }));
  await eventually(async () => expect(await servedNames(aggregator.port)).toBe("DNS:moved.example"), {
    within: 30_000,
  });
});

test("when it expires is in the metrics, also after renewal, and in the log where that is soon", async () => {
  install(await authority.sign({ days: 40 }));
  const aggregator = await start();
  const daysLeft = async () => {
    const metrics = await metricsOf(aggregator.url);
    const expiresAtS = metrics.sum("sekali_certificate_expiry_timestamp_seconds", { certificate: "https" }) ?? 0;
    return (expiresAtS - Date.now() / 1000) / 86_400;
  };
  expect(await daysLeft()).toBeCloseTo(40, 1);
  install(await authority.sign({ days: 6.5 }));
  aggregator.hangUp();
  expect(JSON.parse(await aggregator.logged(/Certificate expires soon/))).toMatchObject({
    level: "warn",
    certificate: "https",
    days: 6,
  });
  expect(await daysLeft()).toBeCloseTo(6.5, 1);
  const successor = await stack.start({ TLS_CERT_FILE: files.certificate, TLS_KEY_FILE: files.key });
  await successor.logged(/Certificate expires soon/);
});

test("files that don't fit each other change nothing but the log", async () => {
  const good = await authority.sign({ names: ["good.example"] });
  install(good);
  const aggregator = await start();
  writeFileSync(files.certificate, (await authority.sign({ names: ["half.example"] })).certificate);
  aggregator.hangUp();
  expect(await aggregator.logged(/Certificate not renewed/)).toContain("TLS_KEY is the key of another certificate");
  expect(await servedNames(aggregator.port)).toBe("DNS:good.example");
  expect(aggregator.isRunning).toBe(true);
});
