/** The live tail: follow, filter, pause. Opening an event pauses, so that it does not run away. */
import { useMemo } from "preact/hooks";
import { EventRow, readEvent } from "../parts/event-row.tsx";
import { formatCount } from "../parts/format.ts";
import { Note, Panel } from "../parts/panel.tsx";
import * as tail from "../state/tail.ts";

const WORDS = { opening: "opening", following: "following", lost: "lost: trying again" } as const;

export function Tail() {
  return (
    <Panel
      id="tail"
      title="Live tail"
      aside={
        <span class={tail.isPaused.value ? "tail-paused" : `tail-${tail.state.value}`} role="status">
          {tail.isPaused.value ? "paused" : WORDS[tail.state.value]}
        </span>
      }
    >
      <Controls />
      {tail.patternFault.value !== undefined ? (
        <Note kind="fault">The topic {tail.patternFault.value}.</Note>
      ) : (
        <Rows />
      )}
    </Panel>
  );
}

function Controls() {
  const { pattern, source, words, isPaused, heldBack, seen, leftOut } = tail;
  return (
    <div class="controls">
      <Field label="topic" signal={pattern} placeholder="user.* or user.>" commits />
      <Field label="source" signal={source} placeholder="contains" />
      <Field label="text" signal={words} placeholder="contains" />
      <div class="buttons">
        <button type="button" aria-pressed={isPaused.value} onClick={isPaused.value ? tail.resume : tail.pause}>
          {isPaused.value ? "Resume" : "Pause"}
        </button>
        <button type="button" onClick={tail.clear}>
          Clear
        </button>
        <span class="quiet">
          {formatCount(seen.value)} seen
          {isPaused.value && `, ${formatCount(heldBack.value)} since the pause`}
          {leftOut.value > 0 && `, ${formatCount(leftOut.value)} too fast to show`}
        </span>
      </div>
    </div>
  );
}

interface FieldProps {
  readonly label: string;
  readonly signal: typeof tail.pattern;
  readonly placeholder: string;
  /** Takes effect when typing has ended, as it opens a new stream. */
  readonly commits?: boolean;
}

function Field({ label, signal, placeholder, commits = false }: FieldProps) {
  const set = (event: { currentTarget: HTMLInputElement }) => {
    signal.value = event.currentTarget.value;
  };
  return (
    <label class="field">
      <span>{label}</span>
      <input
        type="search"
        value={signal.value}
        placeholder={placeholder}
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        {...(commits ? { onChange: set } : { onInput: set })}
      />
    </label>
  );
}

function Rows() {
  const rows = tail.rows.value;
  if (rows.length === 0) {
    return <Note>Nothing yet. Events show here as soon as they are stored.</Note>;
  }
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1).
    <ol class="events" aria-label="Events, newest first" tabIndex={0}>
      {rows.map(({ key, text }) => (
        <Row key={key} text={text} />
      ))}
    </ol>
  );
}

function Row({ text }: { text: string }) {
  const event = useMemo(() => readEvent(text), [text]);
  return <EventRow event={event} onOpen={tail.pause} />;
}
