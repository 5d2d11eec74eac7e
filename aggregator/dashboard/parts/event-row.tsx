/** One event as a row that opens. Everything in it came from outside and is text, nothing else. */

import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { parseRecords } from "./exact-json.ts";
import { formatClock } from "./format.ts";

export interface ShownEvent {
  readonly topic: string;
  readonly event_id: string;
  readonly timestamp: string;
  readonly source: string;
  readonly payload: unknown;
  readonly received_at: string;
}

/** A line is cut by the style; this only spares the browser from laying out a megabyte. */
const LINE_CHARACTERS_MAX = 400;
const TEXT_CHARACTERS_MAX = 100_000;

interface EventRowProps {
  readonly event: ShownEvent;
  readonly onOpen?: () => void;
  /** The time in the line; the event's own unless given. */
  readonly when?: string;
  /** Below the payload, once it is open. */
  readonly children?: ComponentChildren;
}

export function EventRow({ event, onOpen, when = event.timestamp, children }: EventRowProps) {
  const line = useMemo(() => JSON.stringify(event.payload).slice(0, LINE_CHARACTERS_MAX), [event]);
  return (
    <li>
      <details class="event" onToggle={(toggle) => toggle.currentTarget.open && onOpen?.()}>
        <summary>
          <time class="quiet" dateTime={when} title={when}>
            {formatWhen(when)}
          </time>
          <span class="event-topic">{event.topic}</span>
          <span class="event-source quiet">{event.source}</span>
          <span class="event-line mono">{line}</span>
        </summary>
        <EventFields event={event} />
        {children}
      </details>
    </li>
  );
}

function EventFields({ event }: { event: ShownEvent }) {
  const text = useMemo(() => JSON.stringify(event.payload, null, 2), [event]);
  return (
    <div class="event-fields">
      <dl>
        <dt>event_id</dt>
        <dd class="mono">{event.event_id}</dd>
        <dt>timestamp</dt>
        <dd class="mono">{event.timestamp}</dd>
        <dt>received_at</dt>
        <dd class="mono">{event.received_at}</dd>
        <dt>source</dt>
        <dd class="mono">{event.source}</dd>
      </dl>
      <Code text={text} label="payload" />
    </div>
  );
}

/** Text that scrolls by itself. */
export function Code({ text, label }: { text: string; label: string }) {
  const isCut = text.length > TEXT_CHARACTERS_MAX;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1).
    <section class="code" aria-label={label} tabIndex={0}>
      <pre>{isCut ? `${text.slice(0, TEXT_CHARACTERS_MAX)}\n… (cut here; the service has all of it)` : text}</pre>
    </section>
  );
}

/** The time of day, with the date where it is not today. */
function formatWhen(timestamp: string): string {
  const ms = Date.parse(timestamp);
  if (Number.isNaN(ms)) return timestamp;
  const at = new Date(ms);
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? formatClock(ms) : `${formatDate(at)} ${formatClock(ms)}`;
}

const two = (n: number) => String(n).padStart(2, "0");

/** By the reader's own clock, as the time beside it. */
const formatDate = (at: Date) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;

/** @throws SyntaxError */
export function readEvent(text: string): ShownEvent {
  return parseRecords(text) as ShownEvent;
}
