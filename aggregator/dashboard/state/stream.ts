/**
 * One stream of server-sent events that comes back by itself.
 *
 * `EventSource` does that for connections that break, but gives up for good when a reply is an error (a proxy's 502
 * while the service restarts). So a new one is made then, from the last id that was seen. It is not told which error it
 * was: a service that still refuses after many tries does not know that place any more, and is followed from now on.
 *
 * A page that nobody looks at gives its connection back: browsers have six of them for a service (HTTP/1.1), and the
 * seventh page would get no answer at all. Whoever is back soon sees what came meanwhile.
 */

import { may } from "./session.ts";

const AGAIN_MS = 1500;
const TRIES_MAX = 20;
/** After a longer absence, what came meanwhile would be a flood that nobody reads. */
const ABSENCE_MS_MAX = 60_000;

export type StreamState = "opening" | "following" | "lost";

/** @returns a function that ends it. */
export function watchStream(
  path: string,
  take: (text: string) => void,
  tell: (state: StreamState) => void,
): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let lastId = "";
  let tries = 0;
  const open = (from: string) => {
    source = new EventSource(`${path}&from=${encodeURIComponent(from)}`);
    source.addEventListener("open", () => {
      tries = 0;
      tell("following");
    });
    source.addEventListener("event", (event) => {
      lastId = event.lastEventId || lastId;
      take(event.data);
    });
    source.addEventListener("error", () => {
      tell("lost");
      // Signed out: the page that follows signing in opens a stream of its own.
      if (source?.readyState !== EventSource.CLOSED || !may("read")) return;
      tries += 1;
      if (tries > TRIES_MAX) lastId = "";
      timer = setTimeout(() => open(lastId || "now"), AGAIN_MS);
    });
  };
  const close = () => {
    clearTimeout(timer);
    source?.close();
  };
  let hiddenAtMs = Date.now();
  const watch = () => {
    close();
    tell("opening");
    if (document.hidden) hiddenAtMs = Date.now();
    else if (Date.now() - hiddenAtMs > ABSENCE_MS_MAX) open("now");
    else open(lastId || new Date(hiddenAtMs).toISOString());
  };
  document.addEventListener("visibilitychange", watch);
  tell("opening");
  if (!document.hidden) open("now");
  return () => {
    document.removeEventListener("visibilitychange", watch);
    close();
  };
}
