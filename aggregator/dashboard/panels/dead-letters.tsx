/** Dead letters that are open: why each died, what was sent, and the ways out: replayed, mended or not, or deleted. */
import { signal, useSignal } from "@preact/signals";
import type { DeadLetterReply } from "@sekali/contract";
import { useEffect } from "preact/hooks";
import { Code } from "../parts/event-row.tsx";
import { formatCount, formatWhen } from "../parts/format.ts";
import { FetchedBody, Note, Panel } from "../parts/panel.tsx";
import { ask, faultOf } from "../state/fetched.ts";
import { deadLetters, stats } from "../state/service.ts";
import { access, may } from "../state/session.ts";

/** What became of the last one that was replayed or deleted; its row is gone by then. */
const outcome = signal<string | undefined>(undefined);

export function DeadLetters() {
  const open = stats.value.value?.dead_letters_open;
  return (
    <Panel id="dead" title="Dead letters" aside={open === undefined ? undefined : `${formatCount(open)} open`}>
      <p class="outcome" role="status">
        {outcome.value}
      </p>
      {access.value.state === "signed in" && !may("admin") ? (
        <Note>They are for keys that are good for admin.</Note>
      ) : (
        <FetchedBody from={deadLetters}>{(letters) => <Letters letters={letters} />}</FetchedBody>
      )}
    </Panel>
  );
}

function Letters({ letters }: { letters: readonly DeadLetterReply[] }) {
  if (letters.length === 0) return <Note>None is open: everything that came could be stored, or was seen to.</Note>;
  const more = (stats.value.value?.dead_letters_open ?? 0) - letters.length;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1). */}
      <ol class="events" aria-label="Dead letters, youngest first" tabIndex={0}>
        {letters.map((letter) => (
          <LetterRow key={nameOf(letter)} letter={letter} />
        ))}
      </ol>
      {more > 0 && <p class="footnote">{formatCount(more)} older ones follow when these are seen to.</p>}
    </>
  );
}

const nameOf = ({ shard, seq }: DeadLetterReply) => `${shard}/${seq}`;

function LetterRow({ letter }: { letter: DeadLetterReply }) {
  const isOpen = useSignal(false);
  const { shard, seq, deliveries, reason, sqlstate, dead_at, bytes } = letter;
  const { text: when, isDated } = formatWhen(dead_at);
  return (
    <li>
      <details
        class="event letter"
        onToggle={({ currentTarget }) => {
          isOpen.value = currentTarget.open;
        }}
      >
        <summary>
          <time class={isDated ? "quiet dated" : "quiet"} dateTime={dead_at} title={dead_at}>
            {when}
          </time>
          <span class="event-topic">{reason}</span>
          <span class="event-source quiet">
            shard {shard}, seq {seq}
            {deliveries > 1 && `, ${formatCount(deliveries)} deliveries`}
          </span>
        </summary>
        <p class="footnote">
          SQLSTATE <span class="mono">{sqlstate}</span>, {formatCount(bytes ?? 0)} bytes, died {dead_at}
        </p>
        {isOpen.value && <Repair letter={letter} />}
      </details>
    </li>
  );
}

/** What was sent, to be mended, replayed or deleted. */
function Repair({ letter }: { letter: DeadLetterReply }) {
  const sent = useSignal<DeadLetterReply | undefined>(undefined);
  const text = useSignal("");
  const fault = useSignal<string | undefined>(undefined);
  const path = `/dead-letters/${nameOf(letter)}`;
  useEffect(() => {
    const gone = new AbortController();
    ask(path, { signal: gone.signal })
      .then(async (response) => {
        sent.value = (await response.json()) as DeadLetterReply;
        text.value = sent.value.raw ?? "";
      })
      .catch((error) => {
        if (!gone.signal.aborted) fault.value = faultOf(error).text;
      });
    return () => gone.abort();
  }, [path, sent, text, fault]);
  if (sent.value === undefined) {
    return fault.value === undefined ? <Note busy>Loading …</Note> : <Note kind="fault">{fault.value}</Note>;
  }
  const { raw, raw_base64: base64 } = sent.value;
  return (
    <div class="repair">
      {raw === undefined ? (
        <>
          <h3>What was sent is no text; in base64</h3>
          <Code text={base64 ?? ""} label="what was sent, in base64" />
        </>
      ) : (
        <label class="field">
          <span>what was sent; it can be mended here before it is replayed</span>
          <textarea
            class="mono"
            rows={6}
            spellcheck={false}
            value={text.value}
            onInput={(event) => {
              text.value = event.currentTarget.value;
            }}
          />
        </label>
      )}
      <Actions path={path} mended={text.value === (raw ?? "") ? undefined : text.value} fault={fault} />
    </div>
  );
}

interface ActionsProps {
  readonly path: string;
  /** What to publish instead of what was sent. */
  readonly mended: string | undefined;
  readonly fault: { value: string | undefined };
}

function Actions({ path, mended, fault }: ActionsProps) {
  const isBusy = useSignal(false);
  const isSure = useSignal(false);
  const act = async (done: string, target: string, options: RequestInit) => {
    isBusy.value = true;
    fault.value = undefined;
    try {
      await ask(target, options);
      outcome.value = `${path.replace("/dead-letters/", "Dead letter ")}: ${done}`;
      await deadLetters.refresh();
    } catch (error) {
      fault.value = faultOf(error).text;
    } finally {
      isBusy.value = false;
      isSure.value = false;
    }
  };
  const replay = () => {
    const body = mended === undefined ? {} : { body: mended, headers: { "content-type": "application/json" } };
    return act("replayed, and queued as a new delivery.", `${path}/replay`, { method: "POST", ...body });
  };
  const erase = () => act("deleted; it stays counted.", path, { method: "DELETE" });
  return (
    <>
      <div class="buttons">
        <button type="button" class="primary" disabled={isBusy.value} onClick={replay}>
          {mended === undefined ? "Replay as it is" : "Replay mended"}
        </button>
        {isSure.value ? (
          <button type="button" class="danger" disabled={isBusy.value} onClick={erase}>
            Delete it for good
          </button>
        ) : (
          <button type="button" disabled={isBusy.value} onClick={() => (isSure.value = true)}>
            Delete …
          </button>
        )}
      </div>
      {fault.value !== undefined && (
        <p class="bad" role="alert">
          {fault.value}
        </p>
      )}
    </>
  );
}
