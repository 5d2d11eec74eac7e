/** Stored events, found by what `GET /events` can filter, a page at a time. */
import { signal } from "@preact/signals";
import { EventRow, type ShownEvent } from "../parts/event-row.tsx";
import { parseRecords } from "../parts/exact-json.ts";
import { formatCount } from "../parts/format.ts";
import { Note, Panel } from "../parts/panel.tsx";
import { ask, type Fault, faultOf } from "../state/fetched.ts";

const PAGE_ROWS = 50;

interface Page {
  readonly events: readonly ShownEvent[];
  readonly next: string | undefined;
  readonly number: number;
}

const page = signal<Page | undefined>(undefined);
const fault = signal<Fault | undefined>(undefined);
const isBusy = signal(false);
let asked: AbortController | undefined;

/** A new search ends the one before. */
async function load(path: string, number: number): Promise<void> {
  asked?.abort();
  const ours = new AbortController();
  asked = ours;
  isBusy.value = true;
  try {
    const response = await ask(path, { signal: ours.signal });
    const events = parseRecords(await response.text()) as ShownEvent[];
    const next = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
    page.value = { events, next, number };
    fault.value = undefined;
  } catch (error) {
    if (ours.signal.aborted) return;
    fault.value = faultOf(error);
  } finally {
    if (asked === ours) isBusy.value = false;
  }
}

function search(form: HTMLFormElement): void {
  const query = new URLSearchParams({ limit: String(PAGE_ROWS) });
  for (const [name, value] of new FormData(form)) {
    const text = String(value).trim();
    if (text === "") continue;
    // The browser gives local time without an offset.
    const isTime = name === "since" || name === "until";
    query.set(name, isTime ? new Date(text).toISOString() : text);
  }
  void load(`/events?${query}`, 1);
}

export function Search() {
  return (
    <Panel id="search" title="Search" aside="stored events, by their own timestamp">
      <search>
        <form
          class="controls"
          onSubmit={(event) => {
            event.preventDefault();
            search(event.currentTarget);
          }}
        >
          <Field name="topic" placeholder="user.* or user.>" />
          <Field name="source" placeholder="exactly" />
          <Field name="q" label="text in the payload" placeholder="contains" />
          <TimeField name="since" />
          <TimeField name="until" />
          <div class="buttons">
            <button type="submit" class="primary">
              Search
            </button>
          </div>
        </form>
      </search>
      <div aria-live="polite" aria-busy={isBusy.value}>
        <Found />
      </div>
    </Panel>
  );
}

interface FieldProps {
  readonly name: string;
  readonly label?: string;
  readonly placeholder?: string;
}

function Field({ name, label = name, placeholder = "" }: FieldProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        name={name}
        type="search"
        placeholder={placeholder}
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
      />
    </label>
  );
}

function TimeField({ name }: { name: string }) {
  return (
    <label class="field">
      <span>{name}</span>
      <input name={name} type="datetime-local" step={1} />
    </label>
  );
}

function Found() {
  if (fault.value !== undefined) return <Note kind="fault">{fault.value.text}</Note>;
  if (page.value === undefined) {
    return isBusy.value ? <Note busy>Searching …</Note> : <Note>Without a filter, the newest events come first.</Note>;
  }
  const { events, next, number } = page.value;
  if (events.length === 0 && number === 1) return <Note>No stored event fits.</Note>;
  return (
    <div class={isBusy.value ? "stale" : undefined}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1). */}
      <ol class="events" aria-label="Found events" tabIndex={0}>
        {events.map((event) => (
          <EventRow key={`${event.topic} ${event.event_id}`} event={event} />
        ))}
      </ol>
      <div class="buttons">
        <button type="button" disabled={next === undefined} onClick={() => next && void load(next, number + 1)}>
          Next page
        </button>
        <span class="quiet">
          page {formatCount(number)}, {formatCount(events.length)} events
        </span>
      </div>
    </div>
  );
}
