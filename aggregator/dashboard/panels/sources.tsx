/** Who resends, and what was resent with another content: a publisher's bug that dropping alone would hide. */
import { useSignal } from "@preact/signals";
import type { DuplicateRecord, StatsReply } from "@sekali/contract";
import { useEffect } from "preact/hooks";
import { Code, EventRow, type ShownEvent } from "../parts/event-row.tsx";
import { parseRecords } from "../parts/exact-json.ts";
import { formatCount } from "../parts/format.ts";
import { Name } from "../parts/name.tsx";
import { FetchedBody, Note, Panel, ScrollingTable } from "../parts/panel.tsx";
import { ask, faultOf } from "../state/fetched.ts";
import { conflicts, stats } from "../state/service.ts";
import { seesAllTopics } from "../state/session.ts";

export function Sources() {
  return (
    <Panel id="sources" title="Sources that resend">
      {seesAllTopics() ? (
        <FetchedBody from={stats}>{({ resending }) => <Resending resending={resending} />}</FetchedBody>
      ) : (
        <Note>Who resends is shown to keys for all topics.</Note>
      )}
      <h3>Latest conflicts</h3>
      <FetchedBody from={conflicts}>{(rows) => <Conflicts rows={rows} />}</FetchedBody>
    </Panel>
  );
}

function Resending({ resending: { duplicates, sources } }: { resending: StatsReply["resending"] }) {
  if (sources.length === 0) return <Note>Nobody has resent anything.</Note>;
  return (
    <>
      <ScrollingTable label="Sources that resend">
        <thead>
          <tr>
            <th scope="col">source</th>
            <th scope="col" class="number">
              duplicates
            </th>
            <th scope="col" class="number">
              conflicts
            </th>
          </tr>
        </thead>
        <tbody>
          {sources.map((each) => (
            <tr key={each.source}>
              <th scope="row" class="mono">
                <Name of={each.source} />
              </th>
              <td class="number">{formatCount(each.duplicates)}</td>
              <td class={each.conflicts > 0 ? "number bad" : "number"}>{formatCount(each.conflicts)}</td>
            </tr>
          ))}
        </tbody>
      </ScrollingTable>
      <p class="footnote">among the latest {formatCount(duplicates)} duplicates</p>
    </>
  );
}

function Conflicts({ rows }: { rows: readonly DuplicateRecord[] }) {
  if (rows.length === 0) return <Note>None: every duplicate said what was stored.</Note>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1).
    <ol class="events events-narrow" aria-label="Latest conflicts" tabIndex={0}>
      {rows.map((row) => (
        <ConflictRow key={`${row.shard}-${row.seq}`} row={row} />
      ))}
    </ol>
  );
}

function ConflictRow({ row }: { row: DuplicateRecord }) {
  const isOpen = useSignal(false);
  const event: ShownEvent = { ...row, timestamp: row.timestamp ?? row.received_at, payload: row.payload ?? null };
  return (
    <EventRow event={event} when={row.received_at} onOpen={() => (isOpen.value = true)}>
      {isOpen.value && <Winner topic={row.topic} eventId={row.event_id} />}
    </EventRow>
  );
}

/** What is stored under the same identity. */
function Winner({ topic, eventId }: { topic: string; eventId: string }) {
  const text = useSignal<string | undefined>(undefined);
  useEffect(() => {
    const gone = new AbortController();
    ask(`/events/${encodeURIComponent(topic)}/${eventId}`, { signal: gone.signal })
      .then(async (response) => {
        const { payload, source, timestamp } = parseRecords(await response.text()) as ShownEvent;
        text.value = JSON.stringify({ timestamp, source, payload }, null, 2);
      })
      .catch((error) => {
        if (!gone.signal.aborted) text.value = faultOf(error).text;
      });
    return () => gone.abort();
  }, [topic, eventId, text]);
  return (
    <>
      <h3>What is stored instead</h3>
      {text.value === undefined ? <Note busy>Loading …</Note> : <Code text={text.value} label="stored event" />}
    </>
  );
}
