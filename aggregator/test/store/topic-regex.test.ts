/** Postgres and the contract must agree on which topics a pattern names: a subscriber reads pages of both. */
import { expect, test } from "bun:test";
import { compileTopicPattern } from "@sekali/contract";
import fc from "fast-check";
import { topicRegex } from "../../src/store/topic-regex.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { openSchema } from "./schema.ts";

useBackingServers();

const token = fc.string({ unit: fc.constantFrom(..."ab[\\^$+?(){}|/é-"), minLength: 1, maxLength: 3 });
const topic = fc.array(token, { minLength: 1, maxLength: 3 }).map((tokens) => tokens.join("."));
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant("*")), { maxLength: 3 }), fc.oneof(token, fc.constantFrom("*", ">")))
  .map(([tokens, last]) => [...tokens, last].join("."));

test("a pattern's regular expression matches the topics that the pattern names", async () => {
  await using schema = await openSchema();
  await fc.assert(
    fc.asyncProperty(pattern, fc.array(topic, { minLength: 1, maxLength: 20 }), async (drawn, topics) => {
      const all = [...topics, drawn.replaceAll(/[*>]/g, "ab")];
      const rows = await schema.database.query(
        "SELECT t.topic FROM json_array_elements_text($1::text::json) AS t (topic) WHERE t.topic ~ $2",
        [JSON.stringify(all), topicRegex(drawn)],
      );
      expect(rows.map((row) => row["topic"] as string)).toEqual(all.filter(compileTopicPattern(drawn)));
    }),
    { numRuns: 150 },
  );
});
