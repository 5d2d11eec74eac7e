/** Durable subscriptions: how far each is behind, and what its consumers have in their hands. */
import type { SubscriptionReply } from "@sekali/contract";
import { formatCount } from "../parts/format.ts";
import { Name } from "../parts/name.tsx";
import { FetchedBody, Note, Panel, ScrollingTable } from "../parts/panel.tsx";
import { subscriptions } from "../state/service.ts";

export function Subscriptions() {
  return (
    <Panel id="subscriptions" title="Durable subscriptions">
      <FetchedBody from={subscriptions}>{(known) => <Known known={known} />}</FetchedBody>
    </Panel>
  );
}

function Known({ known }: { known: readonly SubscriptionReply[] }) {
  if (known.length === 0) return <Note>There is none.</Note>;
  return (
    <ScrollingTable label="Durable subscriptions">
      <thead>
        <tr>
          <th scope="col">name</th>
          <th scope="col">topic</th>
          <th scope="col" class="number">
            lag
          </th>
          <th scope="col" class="number">
            outstanding
          </th>
          <th scope="col" class="number">
            dead
          </th>
        </tr>
      </thead>
      <tbody>
        {known.map(({ name, topic, lag, outstanding, dead }) => (
          <tr key={name}>
            <th scope="row" class="mono">
              <Name of={name} />
            </th>
            <td class="mono">
              <Name of={topic} />
            </td>
            <td class="number">{formatCount(lag)}</td>
            <td class="number">{formatCount(outstanding)}</td>
            <td class={dead > 0 ? "number bad" : "number"}>{formatCount(dead)}</td>
          </tr>
        ))}
      </tbody>
    </ScrollingTable>
  );
}
