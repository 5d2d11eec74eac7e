/** Waits for a state, never for a time: asks again every few milliseconds until `reached` or the bound. */
export async function waitFor(
  what: string,
  bound_ms: number,
  reached: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + bound_ms;
  while (!(await reached())) {
    if (performance.now() > deadline) throw new Error(`waited ${bound_ms} ms in vain: ${what}`);
    await Bun.sleep(POLL_MS);
  }
}

const POLL_MS = 10;
