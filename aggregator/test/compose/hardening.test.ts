/** What an attacker in one of the containers, or beside them, would find: as little as possible. */
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compose, composeUrl, inspect, SERVICES } from "./compose.ts";

beforeAll(() => {
  composeUrl();
});

describe.each(SERVICES)("%s", (service) => {
  test("can't write to its image, gain privileges or outgrow its bounds", async () => {
    const { HostConfig } = await inspect(service);
    expect(HostConfig.ReadonlyRootfs).toBe(true);
    expect(HostConfig.CapDrop).toEqual(["ALL"]);
    expect(HostConfig.SecurityOpt).toContain("no-new-privileges:true");
    expect(HostConfig.Memory).toBeGreaterThan(0);
    expect(HostConfig.PidsLimit).toBeGreaterThan(0);
  });

  test("shows no password to `docker inspect` or `ps`", async () => {
    const passwords = ["database_password", "broker_password"].map((name) =>
      readFileSync(join(import.meta.dir, "../../../.secrets", name), "utf8").trim(),
    );
    const shown = JSON.stringify(await inspect(service)) + (await compose("top", service));
    expect(shown).toContain(service === "storage" ? "postgres" : "");
    for (const password of passwords) {
      expect(password.length).toBeGreaterThan(20);
      expect(shown).not.toContain(password);
    }
  });
});

test("the aggregator alone can be reached from outside, and from this machine only", async () => {
  for (const service of SERVICES) {
    const ports = Object.values((await inspect(service)).HostConfig.PortBindings ?? {}).flat();
    expect(ports.map(({ HostIp }) => HostIp)).toEqual(service === "aggregator" ? ["127.0.0.1"] : []);
  }
});

test("no service runs as root", async () => {
  for (const service of SERVICES) {
    // The first row names the columns; a row of Postgres's shell or of a health check may come and go.
    const rows = (await compose("top", service)).trimEnd().split("\n");
    const header = rows.findIndex((row) => row.includes("UID"));
    const owners = rows.slice(header + 1).map((row) =>
      row
        .trim()
        .split(/\s+/)
        .find((word) => word !== service && !/^\d$/.test(word)),
    );
    expect(owners.length).toBeGreaterThan(0);
    expect(owners).not.toContain("root");
  }
});
