/** Topics, the busiest first, each with the share of its deliveries that were duplicates. */
import { computed, signal } from "@preact/signals";
import { formatCount, formatShare } from "../parts/format.ts";
import { FetchedBody, Note, Panel, ScrollingTable } from "../parts/panel.tsx";
import { type Stats, stats, type TopicCount } from "../state/service.ts";

/** So many rows without being asked: a table nobody can read costs a browser as much as one that is read. */
const ROWS_FEW = 12;

const wanted = signal("");
const showsAll = signal(false);

const rows = computed(() => {
  const counts = Object.entries(stats.value.value?.topic_counts ?? {});
  return counts
    .filter(([topic]) => topic.includes(wanted.value))
    .toSorted(([a, left], [b, right]) => magnitude(right) - magnitude(left) || (a < b ? -1 : 1));
});

/** Rows of about the same size must not change places once a second, so it is the power of two that orders them. */
function magnitude({ unique_processed, duplicate_dropped }: TopicCount): number {
  return Math.floor(Math.log2(unique_processed + duplicate_dropped + 1));
}

export function Topics() {
  return (
    <Panel id="topics" title="Topics" aside={<Filter />}>
      <FetchedBody from={stats}>{(value) => <Body stats={value} />}</FetchedBody>
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

function Body({ stats: { topics } }: { stats: Stats }) {
  if (topics.length === 0) return <Note>No topic yet. The first event that is stored makes one.</Note>;
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
              duplicate
            </th>
            <th scope="col">duplicate share</th>
          </tr>
        </thead>
        <tbody>
          {shown.map(([topic, count]) => (
            <Row key={topic} topic={topic} count={count} />
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

function Row({ topic, count }: { topic: string; count: TopicCount }) {
  const { unique_processed: unique, duplicate_dropped: duplicate } = count;
  return (
    <tr>
      <th scope="row" class="mono">
        {topic}
      </th>
      <td class="number">{formatCount(unique)}</td>
      <td class="number">{formatCount(duplicate)}</td>
      <td>
        <span class="share">
          <span class="bar">
            <span
              class="bar-fill ink-duplicate"
              style={{ width: `${(100 * duplicate) / (unique + duplicate || 1)}%` }}
            />
          </span>
          {formatShare(duplicate, unique + duplicate)}
        </span>
      </td>
    </tr>
  );
}
