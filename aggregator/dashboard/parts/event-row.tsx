/** One event as a row that opens. Everything in it came from outside and is text, nothing else. */

import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { parseRecords } from "./exact-json.ts";
import { formatWhen } from "./format.ts";
import { withoutOverrides } from "./text.ts";

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
  const line = useMemo(() => withoutOverrides(JSON.stringify(event.payload).slice(0, LINE_CHARACTERS_MAX)), [event]);
  const { text, isDated } = formatWhen(when);
  return (
    <li>
      <details class="event" onToggle={(toggle) => toggle.currentTarget.open && onOpen?.()}>
        <summary>
          <time class={isDated ? "quiet dated" : "quiet"} dateTime={when} title={when}>
            {text}
          </time>
          <span class="event-topic">{withoutOverrides(event.topic)}</span>
          <span class="event-source quiet">{withoutOverrides(event.source)}</span>
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
        <dt>topic</dt>
        <dd class="mono">{withoutOverrides(event.topic)}</dd>
        <dt>event_id</dt>
        <dd class="mono">{event.event_id}</dd>
        <dt>timestamp</dt>
        <dd class="mono">{event.timestamp}</dd>
        <dt>received_at</dt>
        <dd class="mono">{event.received_at}</dd>
        <dt>source</dt>
        <dd class="mono">{withoutOverrides(event.source)}</dd>
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
      <pre>
        {withoutOverrides(text.slice(0, TEXT_CHARACTERS_MAX))}
        {isCut && "\n… (cut here; the service has all of it)"}
      </pre>
    </section>
  );
}

/** @throws SyntaxError */
export function readEvent(text: string): ShownEvent {
  return parseRecords(text) as ShownEvent;
}
