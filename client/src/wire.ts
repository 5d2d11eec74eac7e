/** What programs of this repository build on that need more say than `index.ts` gives: not part of the package. */
export { addressOf } from "./address.ts";
export { Outbox, type OutboxBounds } from "./outbox.ts";
export { pause } from "./retry.ts";
export { type Acknowledged, type Failure, type Settlement, settle } from "./settle.ts";
export { createTransport, type Outcome, type Transport } from "./transport.ts";
