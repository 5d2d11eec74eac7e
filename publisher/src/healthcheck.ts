/** Whether events can go from here to the aggregator, for the container's health check. */
export type Health = { readonly kind: "ready" | "not_ready" | "unreachable"; readonly detail: string };

/** Below the time-out of the health check itself, so that it can still say what was wrong. */
const REPLY_MS_MAX = 2000;

const DETAIL_CHARACTERS_MAX = 1000;

export async function checkHealth(target: URL): Promise<Health> {
  const base = new URL(target);
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  try {
    const signal = AbortSignal.timeout(REPLY_MS_MAX);
    const reply = await fetch(new URL("readyz", base), { redirect: "manual", signal });
    const text = (await reply.text()).slice(0, DETAIL_CHARACTERS_MAX).replaceAll(/\p{Cc}/gu, " ");
    return { kind: reply.status === 200 ? "ready" : "not_ready", detail: text };
  } catch (error) {
    return { kind: "unreachable", detail: error instanceof Error ? error.message : "no reply" };
  }
}
