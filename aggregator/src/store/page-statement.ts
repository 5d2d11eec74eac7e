/**
 * The statement of one page of events: written once in `sql/`, filled in for one topic or many, for a direction, and
 * for the filters that are asked for. One that is not there may not be in the text either: the planner would expect it
 * to keep few rows, and read and sort a whole topic instead of walking the index until a page is full.
 */
import { type EventsQuery, isComparedByRow, type Order } from "./reader-port.ts";
import firstOfTopics from "./sql/first-of-topics.sql" with { type: "text" };
import mergeTopics from "./sql/merge-topics.sql" with { type: "text" };
import renderPage from "./sql/render-page.sql" with { type: "text" };
import walkTopic from "./sql/walk-topic.sql" with { type: "text" };

/** Whether $1 is a topic, or a JSON array of them. */
export type Shape = "topic" | "topics";

/** The index holds the newest first: walked forwards, or backwards. */
const DIRECTIONS: Readonly<Record<Order, Readonly<Record<string, string>>>> = {
  desc: { direction: "DESC", beyond: "<", inside: ">=", within: ">=", endless: "-infinity" },
  asc: { direction: "ASC", beyond: ">", inside: "<", within: "<=", endless: "infinity" },
};

/** $1 to $6 are named in the files; the filters' values follow. */
const FIRST_FILTER = 7;

export interface PageStatement {
  readonly text: string;
  /** The parameters from $7 on. */
  readonly values: readonly string[];
}

export function pageStatement(shape: Shape, query: Omit<EventsQuery, "topics" | "limit" | "after">): PageStatement {
  const filters = filtersOf(query);
  const conditions = filters.map(
    ([condition], index) => `AND ${fill(condition, { ...DIRECTIONS[query.order], value: `$${FIRST_FILTER + index}` })}`,
  );
  // A topic of JSON has no collation of its own; the column's is what its index is sorted by.
  const topic = shape === "topic" ? "$1" : 't.topic COLLATE "C"';
  const words = { ...DIRECTIONS[query.order], topic };
  const isBounded = shape === "topics" && !isComparedByRow(query);
  if (isBounded) conditions.push(fill(WITHIN_EDGE, words));
  const walk = fill(walkTopic, { ...words, filters: conditions.join("\n  ") });
  const rows = shape === "topic" ? walk : fill(isBounded ? firstOfTopics : mergeTopics, { ...words, walk });
  const text = `WITH page AS MATERIALIZED (\n${rows})\n${fill(renderPage, words)}`;
  return { text, values: filters.map(([, value]) => value) };
}

/** What `first-of-topics.sql` knows of the page's last row. */
const WITHIN_EDGE = 'AND n."timestamp" :within (SELECT edge."timestamp" FROM edge)';

/** Conditions on a row `n`, each with its value. */
function filtersOf(query: Omit<EventsQuery, "topics" | "limit" | "after">): readonly (readonly [string, string])[] {
  const end = query.order === "desc" ? query.since : query.until;
  const { source, contains, text } = query;
  return [
    ...(end === undefined ? [] : [['n."timestamp" :inside :value::text::timestamptz', end] as const]),
    ...(source === undefined ? [] : [["n.source = :value::text", source] as const]),
    ...contains.map((part) => ["n.payload @> :value::text::jsonb", part] as const),
    ...(text === undefined ? [] : [["n.payload::text ILIKE :value::text", likePattern(text)] as const]),
  ];
}

/** Text as JSON writes it inside of a string, as a LIKE pattern: its own characters only, anywhere. */
function likePattern(text: string): string {
  const inJson = JSON.stringify(text).slice(1, -1);
  return `%${inJson.replace(/[\\%_]/g, "\\$&")}%`;
}

/** Comments are left out; a cast's `::` is no place to fill. */
function fill(text: string, words: Readonly<Record<string, string>>): string {
  const code = text.replace(/^\s*--.*\n/gm, "");
  return code.replace(/(?<!:):([a-z]+)\b/g, (_, name: string) => {
    const word = words[name];
    if (word === undefined) throw new Error(`the statement has a place for :${name}, and nothing fills it`);
    return word;
  });
}
