/** Redis, Postgres, the worker loops of the process that serves this page, and where each shard stands. */
import type { ReadinessReply } from "@sekali/contract";
import { formatAge, formatCount } from "../parts/format.ts";
import { FetchedBody, Note, Panel, ScrollingTable } from "../parts/panel.tsx";
import { type LoopState, readiness, type ShardState, workers } from "../state/service.ts";

export function Health() {
  return (
    <Panel id="health" title="Health" aside={readiness.value.value?.roles.join(", ")}>
      <FetchedBody from={readiness}>{(value) => <Dependencies readiness={value} />}</FetchedBody>
      <FetchedBody from={workers}>
        {({ loops, shards }) => (
          <>
            <h3>Worker loops</h3>
            {loops.length === 0 ? <Note>This process runs none.</Note> : <Loops loops={loops} />}
            <h3>Shards</h3>
            {shards === null ? (
              <Note kind="fault">Positions can't be read while Postgres is away.</Note>
            ) : (
              <Shards shards={shards} />
            )}
          </>
        )}
      </FetchedBody>
    </Panel>
  );
}

function Dependencies({ readiness: { status, dependencies, access } }: { readiness: ReadinessReply }) {
  const { redis, postgres } = dependencies;
  return (
    <>
      <ul class="lamps">
        <Lamp name="service" state={status} isGood={status === "ready"} />
        <Lamp name="Redis" state={redis.status} isGood={redis.status === "up"} />
        <Lamp name="Postgres" state={postgres.status} isGood={postgres.status === "up"} />
      </ul>
      {[...redis.durability_warnings, ...access.warnings].map((warning) => (
        <p key={warning} class="warning">
          {warning}
        </p>
      ))}
    </>
  );
}

function Lamp({ name, state, isGood }: { name: string; state: string; isGood: boolean }) {
  return (
    <li class={isGood ? "lamp good" : "lamp bad"} data-lamp={name}>
      <span class="lamp-light" aria-hidden="true" />
      {name} <b>{state}</b>
    </li>
  );
}

function Loops({ loops }: { loops: readonly LoopState[] }) {
  return (
    <ul class="loops">
      {loops.map(({ loop, state, shard, seconds }) => (
        <li key={loop} class={`loop loop-${state}`}>
          <span class="quiet">{loop + 1}</span> {state === "idle" ? "idle" : `shard ${shard}`}
          {seconds >= 2 && <span class="quiet"> {formatAge(seconds)}</span>}
        </li>
      ))}
    </ul>
  );
}

function Shards({ shards }: { shards: readonly ShardState[] }) {
  if (shards.length === 0) return <Note>No shard has been taken up yet.</Note>;
  return (
    <ScrollingTable label="Shards">
      <thead>
        <tr>
          <th scope="col">shard</th>
          <th scope="col" class="number">
            position
          </th>
          <th scope="col" class="number">
            head
          </th>
          <th scope="col" class="number">
            queued
          </th>
          <th scope="col">state</th>
        </tr>
      </thead>
      <tbody>
        {shards.map(({ shard, position, head, queued, stuck }) => (
          <tr key={shard}>
            <th scope="row">{shard}</th>
            <td class="number mono">{`${position.epoch}-${position.seq}`}</td>
            <td class="number mono">{head === null ? "–" : `${head.epoch}-${head.seq}`}</td>
            <td class="number">{queued === null ? "–" : formatCount(queued)}</td>
            <td>
              {stuck === null ? (
                <span class="quiet">fine</span>
              ) : (
                <b class="bad">stuck for {formatAge(stuck.stuck_seconds)}</b>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </ScrollingTable>
  );
}
