/** The dashboard: one page, drawn from the public replies of the service that serves it. */
import { effect } from "@preact/signals";
import { render } from "preact";
import { Counts } from "./panels/counts.tsx";
import { DeadLetters } from "./panels/dead-letters.tsx";
import { Flow } from "./panels/flow.tsx";
import { Health } from "./panels/health.tsx";
import { Search } from "./panels/search.tsx";
import { MayNotRead, SignedInAs, SignIn } from "./panels/sign-in.tsx";
import { Sources } from "./panels/sources.tsx";
import { Subscriptions } from "./panels/subscriptions.tsx";
import { Tail } from "./panels/tail.tsx";
import { Topics } from "./panels/topics.tsx";
import { formatClock } from "./parts/format.ts";
import { type Connection, connection, readiness, stats } from "./state/service.ts";
import { access, accessKnown, may } from "./state/session.ts";
import { startTail } from "./state/tail.ts";
import "./styles/base.css";
import "./styles/events.css";
import "./styles/panels.css";

const PLACES = [
  ["counts", "Counts"],
  ["flow", "Flow"],
  ["health", "Health"],
  ["topics", "Topics"],
  ["sources", "Sources"],
  ["dead", "Dead letters"],
  ["subscriptions", "Subscriptions"],
  ["tail", "Tail"],
  ["search", "Search"],
] as const;

const WORDS: Readonly<Record<Connection, string>> = {
  connecting: "connecting",
  live: "live",
  degraded: "degraded",
  disconnected: "disconnected",
};

function Page() {
  return (
    <>
      <a class="skip" href="#main">
        Skip to the panels
      </a>
      <header class="top">
        <h1>Sekali</h1>
        <p class={`connection connection-${connection.value}`} role="status">
          <span class="lamp-light" aria-hidden="true" />
          {WORDS[connection.value]}
        </p>
        {stats.value.value !== undefined && <p class="quiet uptime">up {stats.value.value.uptime}</p>}
        <SignedInAs />
        <a class="quiet" href="/reference">
          The API
        </a>
        {may("read") && <Places />}
      </header>
      <main id="main" tabIndex={-1}>
        <Outage />
        <Panels />
      </main>
    </>
  );
}

function Places() {
  return (
    <nav aria-label="Panels">
      {PLACES.map(([id, name]) => (
        <a key={id} href={`#${id}`}>
          {name}
        </a>
      ))}
    </nav>
  );
}

function Panels() {
  const { value } = access;
  if (value.state === "signed out") return <SignIn />;
  if (value.state === "signed in" && !may("read")) return <MayNotRead {...value.session} />;
  return (
    <>
      <Counts />
      <Flow />
      <Health />
      <Topics />
      <Sources />
      <DeadLetters />
      <Subscriptions />
      <Tail />
      <Search />
    </>
  );
}

function Outage() {
  if (connection.value !== "disconnected") return null;
  const atMs = readiness.atMs.value;
  return (
    <p class="outage" role="alert">
      <b>The service does not answer.</b> {atMs === undefined ? "" : `What you see is of ${formatClock(atMs)}. `}This
      page goes on by itself when it is back.
    </p>
  );
}

effect(() => {
  document.title = connection.value === "live" ? "Sekali" : `Sekali: ${WORDS[connection.value]}`;
});
void accessKnown.then(() => {
  if (may("read")) startTail();
});
render(<Page />, document.body);
