/** Topics, the busiest first, each with the share of its deliveries that were duplicates. */
import { computed, signal } from "@preact/signals";
import type { TopicRecord } from "@sekali/contract";
import { formatAge, formatCount, formatRate, formatShare } from "../parts/format.ts";
import { Name } from "../parts/name.tsx";
import { FetchedBody, Note, Panel, ScrollingTable } from "../parts/panel.tsx";
import { topics } from "../state/service.ts";

/** So many rows without being asked: a table nobody can read costs a browser as much as one that is read. */
const ROWS_FEW = 12;

const wanted = signal("");
const showsAll = signal(false);

const rows = computed(() =>
  (topics.value.value ?? [])
    .filter(({ topic }) => topic.includes(wanted.value))
    .toSorted((a, b) => magnitude(b) - magnitude(a) || (a.topic < b.topic ? -1 : 1)),
);

/** Rows of about the same size must not change places once a second, so it is the power of two that orders them. */
function magnitude({ unique_processed, duplicate_dropped }: TopicRecord): number {
  return Math.floor(Math.log2(unique_processed + duplicate_dropped + 1));
}

export function Topics() {
  return (
    <Panel id="topics" title="Topics" aside={<Filter />}>
      <FetchedBody from={topics}>{(known) => <Body known={known} />}</FetchedBody>
    </Panel>
  );
}

function Filter() {
  return (
    <input
      type="search"
      class="small"
      aria-label="Show topics that contain"
      placeholder="filter"
      value={wanted.value}
      onInput={(event) => {
        wanted.value = event.currentTarget.value;
      }}
    />
  );
}

function Body({ known }: { known: readonly TopicRecord[] }) {
  if (known.length === 0) return <Note>No topic yet. The first event that is stored makes one.</Note>;
  if (rows.value.length === 0) return <Note>No topic contains “{wanted.value}”.</Note>;
  const shown = showsAll.value ? rows.value : rows.value.slice(0, ROWS_FEW);
  return (
    <>
      <ScrollingTable label="Topics">
        <thead>
          <tr>
            <th scope="col">topic</th>
            <th scope="col" class="number">
              unique
            </th>
            <th scope="col" class="number">
              a second
            </th>
            <th scope="col" class="number roomy">
              newest
            </th>
            <th scope="col">duplicate share</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((record) => (
            <Row key={record.topic} record={record} />
          ))}
        </tbody>
      </ScrollingTable>
      {rows.value.length > ROWS_FEW && (
        <button type="button" class="more" onClick={() => (showsAll.value = !showsAll.value)}>
          {showsAll.value ? "Show fewer" : `Show all ${formatCount(rows.value.length)}`}
        </button>
      )}
    </>
  );
}

function Row({ record }: { record: TopicRecord }) {
  const { topic, unique_processed: unique, duplicate_dropped: duplicate, rate, last_timestamp: last } = record;
  const total = unique + duplicate;
  return (
    <tr>
      <th scope="row" class="mono">
        <Name of={topic} />
      </th>
      <td class="number">{formatCount(unique)}</td>
      <td class="number">{rate === null ? "–" : formatRate(rate)}</td>
      <td class="number quiet roomy" title={last ?? undefined}>
        {last === null ? "–" : formatAgo(last)}
      </td>
      <td>
        <span class="share" title={`${formatCount(duplicate)} of ${formatCount(total)}`}>
          <span class="bar">
            <span class="bar-fill ink-duplicate" style={{ width: `${(100 * duplicate) / (total || 1)}%` }} />
          </span>
          {formatShare(duplicate, total)}
        </span>
      </td>
    </tr>
  );
}

/** Timestamps are the publishers': they may lie ahead. */
function formatAgo(timestamp: string): string {
  const seconds = (Date.now() - Date.parse(timestamp)) / 1000;
  return seconds < -5 ? "ahead" : `${formatAge(Math.max(0, seconds))} ago`;
}
