/** A panel: a landmark with a heading, and the states that every one of them has: loading, empty, failed, stale. */
import type { ComponentChildren } from "preact";
import { type Fetched, phaseOf } from "../state/fetched.ts";
import { formatClock } from "./format.ts";

interface PanelProps {
  readonly id: string;
  readonly title: string;
  /** Beside the heading: what the panel counts, or its controls. */
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}

export function Panel({ id, title, aside, children }: PanelProps) {
  return (
    <section id={id} class="panel" aria-labelledby={`${id}-title`} tabIndex={-1}>
      <header class="panel-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {aside !== undefined && <div class="panel-aside">{aside}</div>}
      </header>
      {children}
    </section>
  );
}

interface FetchedBodyProps<T> {
  readonly from: Fetched<T>;
  readonly children: (value: T) => ComponentChildren;
}

/** What is known, or why nothing is. Old values stay on show, faded, with the time they are of. */
export function FetchedBody<T>({ from, children }: FetchedBodyProps<T>) {
  const value = from.value.value;
  const phase = phaseOf(from).value;
  if (value === undefined) {
    return phase === "loading" ? <Note busy>Loading …</Note> : <Note kind="fault">{from.fault.value?.text}</Note>;
  }
  return (
    <div class={phase === "stale" ? "stale" : undefined}>
      {children(value)}
      {phase === "stale" && (
        <p class="stale-note">
          As of {formatClock(from.atMs.value ?? 0)}. {from.fault.value?.text}
        </p>
      )}
    </div>
  );
}

interface NoteProps {
  readonly kind?: "quiet" | "fault";
  readonly busy?: boolean;
  readonly children: ComponentChildren;
}

export function Note({ kind = "quiet", busy = false, children }: NoteProps) {
  return (
    <p class={`note note-${kind}`} aria-busy={busy}>
      {children}
    </p>
  );
}

/** A table that scrolls by itself where it does not fit, by keyboard too. */
export function ScrollingTable({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1).
    <section class="scroll" aria-label={label} tabIndex={0}>
      <table>{children}</table>
    </section>
  );
}
