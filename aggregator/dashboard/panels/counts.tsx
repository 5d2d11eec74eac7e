/**
 * P3 as an equation: received = unique + duplicate + dead + queued. The page adds it up itself, and says so, or says
 * that it does not.
 */

import type { StatsReply } from "@sekali/contract";
import { formatCount, formatRate, formatShare } from "../parts/format.ts";
import { FetchedBody, Panel } from "../parts/panel.tsx";
import { history } from "../state/history.ts";
import { stats } from "../state/service.ts";

export function Counts() {
  return (
    <Panel id="counts" title="Counts">
      <FetchedBody from={stats}>{(value) => <Equation stats={value} />}</FetchedBody>
    </Panel>
  );
}

function Equation({ stats: counts }: { stats: StatsReply }) {
  const { received, unique_processed: unique, duplicate_dropped: duplicate, dead_lettered: dead, queued } = counts;
  const sum = unique + duplicate + dead + queued;
  const rates = history.value.at(-1);
  return (
    <div class="counts">
      <div class="equation">
        <Term name="received" value={received} rate={rates?.received} />
        <Operator sign="=" />
        <Term name="unique" value={unique} rate={rates?.unique} ink="ink-unique" />
        <Operator sign="+" />
        <Term name="duplicate" value={duplicate} rate={rates?.duplicate} ink="ink-duplicate" />
        <Operator sign="+" />
        <Term name="dead" value={dead} rate={rates?.dead} ink="ink-dead" />
        <Operator sign="+" />
        <Term name="queued" value={queued} ink="ink-queued" />
      </div>
      <div class="beside">
        {sum === received ? (
          <p class="check check-good">✓ adds up exactly</p>
        ) : (
          <p class="check check-bad" role="alert">
            ✗ does not add up: the parts are {formatCount(sum)}
          </p>
        )}
        <Aside name="lost" value={counts.lost} isBad={counts.lost > 0} hint="acknowledged, then lost by Redis" />
        <Aside
          name="conflicts"
          value={counts.conflicts}
          isBad={counts.conflicts > 0}
          hint="duplicates that said something else"
        />
        <p class="aside-count">
          duplicate share <b>{formatShare(duplicate, unique + duplicate)}</b>
        </p>
      </div>
      <div class="proportions" aria-hidden="true">
        <Part of={unique} ink="ink-unique" />
        <Part of={duplicate} ink="ink-duplicate" />
        <Part of={dead} ink="ink-dead" />
        <Part of={queued} ink="ink-queued" />
      </div>
    </div>
  );
}

interface TermProps {
  readonly name: string;
  readonly value: number;
  readonly rate?: number | null | undefined;
  readonly ink?: string;
}

function Term({ name, value, rate, ink }: TermProps) {
  return (
    <div class="term" data-term={name}>
      <span class="term-value">{formatCount(value)}</span>
      <span class="term-name">
        {ink !== undefined && <span class={`swatch ${ink}`} />}
        {name}
      </span>
      <span class="term-rate">{rate == null ? "" : `${formatRate(rate)} /s`}</span>
    </div>
  );
}

function Operator({ sign }: { sign: string }) {
  return <span class="operator">{sign}</span>;
}

/** Its width is its share of the whole. */
function Part({ of, ink }: { of: number; ink: string }) {
  return <span class={`part ${ink}`} style={{ flexGrow: String(of) }} />;
}

interface AsideProps {
  readonly name: string;
  readonly value: number;
  readonly isBad: boolean;
  readonly hint: string;
}

function Aside({ name, value, isBad, hint }: AsideProps) {
  return (
    <p class={isBad ? "aside-count bad" : "aside-count"} data-term={name} title={hint}>
      {name} <b>{formatCount(value)}</b>
    </p>
  );
}
