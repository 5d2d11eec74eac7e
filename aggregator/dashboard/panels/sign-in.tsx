/** What stands in the place of the panels where nobody is signed in, or as somebody who may not read. */
import { useSignal } from "@preact/signals";
import { Panel } from "../parts/panel.tsx";
import { access, signIn, signOut } from "../state/session.ts";

export function SignIn() {
  const key = useSignal("");
  const fault = useSignal<string | undefined>(undefined);
  const isBusy = useSignal(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    isBusy.value = true;
    fault.value = await signIn(key.value.trim());
    isBusy.value = false;
  };
  return (
    <Panel id="sign-in" title="Sign in">
      <form class="sign-in" onSubmit={submit}>
        <label class="field">
          <span>key</span>
          <input
            type="password"
            name="key"
            value={key.value}
            placeholder="sekali_…"
            autocomplete="current-password"
            required
            onInput={(event) => {
              key.value = event.currentTarget.value;
            }}
          />
        </label>
        <button type="submit" class="primary" disabled={isBusy.value}>
          Sign in
        </button>
      </form>
      {fault.value !== undefined && (
        <p class="bad" role="alert">
          {fault.value}
        </p>
      )}
      <p class="footnote">
        This service asks for keys. One with the scope <b>read</b> shows events and counts, with <b>admin</b> dead
        letters too: <code class="mono">aggregator keys create --name me --scopes read,admin</code>
      </p>
    </Panel>
  );
}

/** Signed in with a key that opens nothing here. */
export function MayNotRead({ name, scopes }: { name: string; scopes: readonly string[] }) {
  return (
    <Panel id="sign-in" title="Nothing to show">
      <p role="alert">
        The key <b>{name}</b> is good for {scopes.join(" and ")}, and this page needs one that is good for <b>read</b>.
      </p>
    </Panel>
  );
}

/** Beside the title of the page. */
export function SignedInAs() {
  if (access.value.state !== "signed in") return null;
  return (
    <p class="signed-in">
      <span class="quiet">{access.value.session.name}</span>
      <button type="button" onClick={() => void signOut()}>
        Sign out
      </button>
    </p>
  );
}
