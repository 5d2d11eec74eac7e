import { test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent } from "../harness/event-factory.ts";
import { openSchema, nameSchema } from "./schema.ts";
import { migrate } from "../../src/store/migrations.ts";
useBackingServers();
test("default", async () => {
  await using schema = await nameSchema();
  await migrate(schema.database, schema.name);
  await schema.takeUp(0);
  await schema.deliver(0, [makeEvent()]); // no dated partition: into the default one
  console.log(await schema.events.keepPartitions(undefined).catch(e => `${e.name}: ${e.message}`));
  console.log(await schema.events.keepPartitions(30).catch(e => `${e.name}: ${e.message}`));
});
test("42501", async () => {
  await using schema = await openSchema();
  await schema.sql.unsafe(`CREATE ROLE "${schema.name}_r" LOGIN PASSWORD 'guest'`);
  const url = new URL(schema.url); url.username = `${schema.name}_r`; url.password="guest";
  const db = schema.connect(url.href);
  console.log(await migrate(db, schema.name).catch(e => `${e.name}: ${e.message}`));
  await schema.sql.unsafe(`GRANT USAGE ON SCHEMA "${schema.name}" TO "${schema.name}_r"`);
  console.log(await migrate(db, schema.name).catch(e => `${e.name}: ${e.message}`));
  await db.close(1);
});
