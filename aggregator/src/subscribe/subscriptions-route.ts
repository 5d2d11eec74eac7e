/**
 * Durable subscriptions: the service remembers where they stand, and their consumers share the work.
 *
 *   PUT    /subscriptions/{name}           makes it: {topic, from, ack_timeout_s, deliveries_max}; repeating is fine
 *   GET    /subscriptions, …/{name}        with lag, what is outstanding, and dead letters
 *   DELETE /subscriptions/{name}
 *   GET    /subscriptions/{name}/next      up to `max` events, waiting up to `wait` seconds for the first
 *   POST   /subscriptions/{name}/ack       {"ack_ids": […]}: dealt with
 *   POST   /subscriptions/{name}/nack      the same: to be handed out again at once
 *   GET    /subscriptions/{name}/dead-letters
 *
 * An ack id names the event and the attempt. One of an attempt that is not out any more is told back as `stale`.
 */
import {
  ACK_TIMEOUT_S_DEFAULT,
  type AckBody,
  AckBodySchema,
  DELIVERIES_MAX_DEFAULT,
  type SubscriptionBody,
  SubscriptionBodySchema,
  SubscriptionNameSchema,
} from "@sekali/contract";
import type { Caller } from "../access/caller.ts";
import { coversPattern, notCovered } from "../access/covered.ts";
import { requireGood, whenEnded } from "../access/end-of-caller.ts";
import { RequestError } from "../problem.ts";
import {
  decodeCursor,
  encodeCursor,
  NO_PARAMETERS,
  nextLink,
  readLimit,
  readParameters,
  unacceptable,
} from "../query/parameters.ts";
import type { PathParameters, Route } from "../route.ts";
import type {
  Handout,
  Lease,
  LeasedEvent,
  SubscriptionDefinition,
  SubscriptionState,
} from "../store/subscription-port.ts";
import { readJson } from "./json-body.ts";
import { readStart } from "./start.ts";
import { NoSuchSubscription, type Subscriptions } from "./subscriptions.ts";
import * as endpoints from "./subscriptions-endpoints.ts";

const NAME = new RegExp(SubscriptionNameSchema.pattern ?? "");
const JSON_HEADERS = { "content-type": "application/json" };

export class SubscriptionsRoute {
  readonly routes: readonly Route[];
  readonly #subscriptions: Subscriptions;

  constructor(subscriptions: Subscriptions) {
    this.#subscriptions = subscriptions;
    const named = (handle: (request: Request, name: string, caller: Caller) => Promise<Response>) => {
      return async (request: Request, parameters: PathParameters, caller: Caller) => {
        const name = readName(parameters);
        try {
          return await handle(request, name, caller);
        } catch (error) {
          throw error instanceof NoSuchSubscription ? missing(name) : error;
        }
      };
    };
    this.routes = [
      { ...endpoints.LIST_SUBSCRIPTIONS, handle: (request, _, caller) => this.#list(request, caller) },
      { ...endpoints.SHOW_SUBSCRIPTION, handle: named((...asked) => this.#show(...asked)) },
      { ...endpoints.MAKE_SUBSCRIPTION, handle: named((...asked) => this.#make(...asked)) },
      { ...endpoints.REMOVE_SUBSCRIPTION, handle: named((...asked) => this.#remove(...asked)) },
      { ...endpoints.NEXT_EVENTS, handle: named((...asked) => this.#next(...asked)) },
      { ...endpoints.ACKNOWLEDGE_EVENTS, handle: named((...asked) => this.#answer(true, ...asked)) },
      { ...endpoints.RETURN_EVENTS, handle: named((...asked) => this.#answer(false, ...asked)) },
      { ...endpoints.LIST_UNDELIVERED, handle: named((...asked) => this.#letters(...asked)) },
    ];
  }

  async #list(request: Request, caller: Caller): Promise<Response> {
    readParameters(request, NO_PARAMETERS);
    const states = await this.#subscriptions.states();
    return Response.json(states.filter(({ topic }) => coversPattern(caller, topic)));
  }

  async #show(request: Request, name: string, caller: Caller): Promise<Response> {
    readParameters(request, NO_PARAMETERS);
    const state = await this.#subscriptions.state(name);
    requireSubscription(caller, state);
    return Response.json(state);
  }

  async #make(request: Request, name: string, caller: Caller): Promise<Response> {
    readParameters(request, NO_PARAMETERS);
    const body = await readJson<SubscriptionBody>(request, SubscriptionBodySchema);
    const definition: SubscriptionDefinition = {
      name,
      topic: body.topic ?? ">",
      from: body.from ?? "now",
      ack_timeout_s: body.ack_timeout_s ?? ACK_TIMEOUT_S_DEFAULT,
      deliveries_max: body.deliveries_max ?? DELIVERIES_MAX_DEFAULT,
    };
    if (!coversPattern(caller, definition.topic)) {
      throw notCovered(`Not all of the topics that \`${definition.topic}\` matches are this key's.`);
    }
    const { state, isNew } = await this.#subscriptions.make(definition, readStart(definition.from));
    requireSubscription(caller, state);
    if (!isSame(state, definition)) throw conflicting(state);
    return Response.json(state, { status: isNew ? 201 : 200 });
  }

  async #remove(request: Request, name: string, caller: Caller): Promise<Response> {
    readParameters(request, NO_PARAMETERS);
    await this.#requireCovered(name, caller);
    await this.#subscriptions.remove(name);
    return new Response(null, { status: 204 });
  }

  async #next(request: Request, name: string, caller: Caller): Promise<Response> {
    const parameters = readParameters(request, endpoints.NEXT_EVENTS.operation.query);
    const max = readWhole(parameters, "max", endpoints.EVENTS_DEFAULT, 1, endpoints.EVENTS_MAX);
    const waitS = readWhole(parameters, "wait", 0, 0, endpoints.WAIT_S_MAX);
    const topic = await this.#requireCovered(name, caller);
    // Leases are taken by this: a question for the headers alone must not take any, and hears of none.
    if (request.method === "HEAD") return new Response(renderAll([]), { headers: JSON_HEADERS });
    const events = await this.#wait(request, caller, (gone) =>
      this.#subscriptions.next({ name, topic }, max, waitS * 1000, gone),
    );
    return new Response(renderAll(events), { headers: JSON_HEADERS });
  }

  /** Waits while the consumer is there, and its key is good. @throws RequestError 401 where that has ended. */
  async #wait(
    request: Request,
    caller: Caller,
    next: (gone: AbortSignal) => Promise<Handout>,
  ): Promise<readonly LeasedEvent[]> {
    const ended = new AbortController();
    const answered = new AbortController();
    whenEnded(caller, answered.signal, () => ended.abort());
    try {
      const { events } = await next(AbortSignal.any([request.signal, ended.signal]));
      // What was handed out before is the consumer's: nobody else would get it until its time is up.
      if (events.length === 0) requireGood(caller);
      return events;
    } finally {
      answered.abort();
    }
  }

  async #answer(isDone: boolean, request: Request, name: string, caller: Caller): Promise<Response> {
    readParameters(request, NO_PARAMETERS);
    await this.#requireCovered(name, caller);
    const { ack_ids } = await readJson<AckBody>(request, AckBodySchema);
    const leases = ack_ids.map(decodeAckId);
    const held = new Set((await this.#subscriptions.answer(name, leases, isDone)).map(encodeAckId));
    const stale = [...new Set(ack_ids)].filter((id) => !held.has(id));
    return Response.json({ [isDone ? "acknowledged" : "returned"]: held.size, stale });
  }

  async #letters(request: Request, name: string, caller: Caller): Promise<Response> {
    const parameters = readParameters(request, endpoints.LIST_UNDELIVERED.operation.query);
    await this.#requireCovered(name, caller);
    const limit = readLimit(parameters.get("limit"));
    const text = parameters.get("cursor");
    const [shard, seq] = text === null ? [] : decodeCursor(text, [wholeFault, wholeFault]).map(Number);
    const after = shard === undefined || seq === undefined ? undefined : { shard, seq };
    const page = await this.#subscriptions.deadLetters(name, after, limit);
    const headers: Record<string, string> = { ...JSON_HEADERS };
    if (page.next !== undefined) {
      const cursor = encodeCursor([String(page.next.shard), String(page.next.seq)]);
      headers["link"] = nextLink(`/subscriptions/${name}/dead-letters`, parameters, cursor);
    }
    return new Response(`[${page.rows.join(",")}]`, { headers });
  }

  /** @returns the topic of what was judged; undefined: whichever it is. @throws RequestError 403 */
  async #requireCovered(name: string, caller: Caller): Promise<string | undefined> {
    if (caller.allowsAll) return undefined;
    const state = await this.#subscriptions.state(name);
    requireSubscription(caller, state);
    return state.topic;
  }
}

/**
 * Its consumers share one cursor, so nothing can be left out for one of them: all of it is the caller's, or none. To
 * whom it is not, its topic is not named either.
 * @throws RequestError 403
 */
function requireSubscription(caller: Caller, { topic }: SubscriptionState): void {
  if (!coversPattern(caller, topic)) throw notCovered("Not all of the subscription's topics are this key's.");
}

function readName(parameters: PathParameters): string {
  const name = parameters["name"] ?? "";
  if (NAME.test(name)) return name;
  throw new RequestError(endpoints.NAME_REFUSED);
}

function readWhole(from: URLSearchParams, name: string, usual: number, least: number, most: number): number {
  const text = from.get(name);
  if (text === null) return usual;
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw unacceptable(`The query parameter \`${name}\` takes a whole number from ${least} to ${most}.`);
}

function wholeFault(text: string): string | undefined {
  return /^\d{1,15}$/.test(text) ? undefined : "must be a whole number";
}

function renderAll(events: readonly LeasedEvent[]): string {
  return `{"events":[${events.map(renderLeased).join(",")}]}`;
}

function renderLeased(event: LeasedEvent): string {
  return `{"ack_id":"${encodeAckId(event)}","delivery":${event.attempt},"event":${event.record}}`;
}

function encodeAckId({ shard, seq, attempt }: Lease): string {
  return `${shard}-${seq}-${attempt}`;
}

/** @param id one that fits the schema. */
function decodeAckId(id: string): Lease {
  const [shard = 0, seq = 0, attempt = 0] = id.split("-").map(Number);
  return { shard, seq, attempt };
}

function isSame(a: SubscriptionDefinition, b: SubscriptionDefinition): boolean {
  return (
    a.topic === b.topic &&
    a.from === b.from &&
    a.ack_timeout_s === b.ack_timeout_s &&
    a.deliveries_max === b.deliveries_max
  );
}

function missing(name: string): RequestError {
  return new RequestError(endpoints.missingProblem(name));
}

function conflicting(state: SubscriptionState): RequestError {
  return new RequestError(endpoints.differentProblem(state));
}
