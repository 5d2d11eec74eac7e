/**
 * `/dead-letters`: what Postgres could never store, to be looked at, published again, or deleted.
 *
 * Replaying is publishing: the letter's own text, or a repaired one, is judged by the same contract and goes the same
 * way, as a new delivery that is counted as one; then the letter is marked. A crash between the two leaves the letter
 * open, and replaying it again is as safe as any repeated publish: identities are stored once (P2). The letter itself
 * stays counted as dead for ever (P3).
 */
import { timestampFault } from "@sekali/contract";
import type { Caller } from "../access/caller.ts";
import { requireAllTopics } from "../access/covered.ts";
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
import type { Endpoint, PathParameters, Route } from "../route.ts";
import type { DeadLetterDetail, DeadLetterName, DeadLetterStore, DeadLettersQuery } from "../store/dead-letter-port.ts";
import {
  DELETE_DEAD_LETTER,
  LIST_DEAD_LETTERS,
  REPLAY_DEAD_LETTER,
  resolvedProblem,
  roomProblem,
  SHOW_DEAD_LETTER,
  UNKNOWN_LETTER,
} from "./dead-letter-endpoints.ts";
import type { AdmittedBatch, Intake } from "./intake.ts";
import type { PublishRoute } from "./publish-route.ts";

export class DeadLetterRoutes {
  readonly routes: readonly Route[] = [
    ofAllTopics(LIST_DEAD_LETTERS, (request) => this.list(request)),
    ofAllTopics(SHOW_DEAD_LETTER, (request, parameters) => this.show(request, parameters)),
    ofAllTopics(REPLAY_DEAD_LETTER, (...asked) => this.replay(...asked)),
    ofAllTopics(DELETE_DEAD_LETTER, (request, parameters) => this.delete(request, parameters)),
  ];
  readonly #store: DeadLetterStore;
  readonly #intake: Pick<Intake, "queue">;
  readonly #publish: Pick<PublishRoute, "read" | "judge">;

  constructor(store: DeadLetterStore, intake: Pick<Intake, "queue">, publish: Pick<PublishRoute, "read" | "judge">) {
    this.#store = store;
    this.#intake = intake;
    this.#publish = publish;
  }

  async list(request: Request): Promise<Response> {
    const parameters = readParameters(request, LIST_DEAD_LETTERS.operation.query);
    const { records, next } = await this.#store.deadLetters(readQuery(parameters));
    if (next === undefined) return Response.json(records);
    const cursor = encodeCursor([next.dead_at, String(next.shard), String(next.seq)]);
    return Response.json(records, { headers: { link: nextLink("/dead-letters", parameters, cursor) } });
  }

  async show(request: Request, parameters: PathParameters): Promise<Response> {
    readParameters(request, NO_PARAMETERS);
    const { record, raw } = await this.#find(readName(parameters));
    return Response.json({ ...record, ...(raw !== undefined && showRaw(raw)) });
  }

  async replay(request: Request, parameters: PathParameters, caller: Caller): Promise<Response> {
    readParameters(request, NO_PARAMETERS);
    const name = readName(parameters);
    const { record, raw } = await this.#find(name);
    if (raw === undefined || record.state !== "kept") throw resolved(record.state);
    const body = hasBody(request) ? await this.#publish.read(request, caller) : this.#publish.judge(raw, caller);
    requireRoom(body, record.deliveries);
    const count = body.events.length;
    await this.#intake.queue(body, "replay");
    // Who resolves it in the same moment changes nothing of what was published.
    await this.#store.resolve(name, "replayed");
    return Response.json({ status: "queued", count });
  }

  /** Idempotent: what is deleted stays so, and nobody is told that it was there twice. */
  async delete(request: Request, parameters: PathParameters): Promise<Response> {
    readParameters(request, NO_PARAMETERS);
    const name = readName(parameters);
    if (!(await this.#store.resolve(name, "deleted"))) {
      const { record } = await this.#find(name);
      if (record.state !== "deleted") throw resolved(record.state);
    }
    return new Response(null, { status: 204 });
  }

  async #find(name: DeadLetterName): Promise<DeadLetterDetail> {
    const found = await this.#store.deadLetter(name);
    if (found === undefined) throw missing();
    return found;
  }
}

/** What died may be of any topic, or of none that can be read: whoever looks must be good for all of them. */
function ofAllTopics(endpoint: Endpoint, handle: Route["handle"]): Route {
  return {
    ...endpoint,
    handle(request, parameters, caller) {
      requireAllTopics(caller, "A dead letter");
      return handle(request, parameters, caller);
    },
  };
}

function readName({ shard = "", seq = "" }: PathParameters): DeadLetterName {
  if (shardFault(shard) !== undefined || seqFault(seq) !== undefined) throw missing();
  return { shard: Number(shard), seq: Number(seq) };
}

function readQuery(parameters: URLSearchParams): DeadLettersQuery {
  const asked = parameters.get("resolved");
  if (asked !== null && asked !== "true" && asked !== "false") {
    throw unacceptable("The query parameter `resolved` takes true or false.");
  }
  const cursor = parameters.get("cursor");
  const query = { resolved: asked === null ? undefined : asked === "true", limit: readLimit(parameters.get("limit")) };
  if (cursor === null) return { ...query, after: undefined };
  const [dead_at = "", shard, seq] = decodeCursor(cursor, [timestampFault, shardFault, seqFault]);
  return { ...query, after: { dead_at, shard: Number(shard), seq: Number(seq) } };
}

function shardFault(text: string): string | undefined {
  return /^\d{1,9}$/.test(text) ? undefined : "must be the number of a shard";
}

function seqFault(text: string): string | undefined {
  return /^\d{1,15}$/.test(text) ? undefined : "must be a seq";
}

/** As text where it is text; else nothing of it could be shown without changing it. */
function showRaw(raw: Uint8Array): { raw: string } | { raw_base64: string } {
  try {
    return { raw: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw) };
  } catch {
    return { raw_base64: Buffer.from(raw).toString("base64") };
  }
}

function hasBody(request: Request): boolean {
  return request.body !== null && request.headers.get("content-length") !== "0";
}

/** A replay stands for the deliveries that died, and smuggles in no others. */
function requireRoom({ events }: AdmittedBatch, deliveries: number): void {
  if (events.length >= 1 && events.length <= deliveries) return;
  throw new RequestError(roomProblem(deliveries, events.length));
}

function missing(): RequestError {
  return new RequestError(UNKNOWN_LETTER);
}

function resolved(state: string): RequestError {
  return new RequestError(resolvedProblem(state));
}
