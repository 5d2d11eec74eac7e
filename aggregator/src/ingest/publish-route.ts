/**
 * `POST /publish`: one event or an array of them, accepted all or nothing; or a stream of lines, each an event.
 *
 * The body is validated once, and its own text travels on. 200 `queued` is sent after Redis has the entry on disk (P1);
 * with `?ack=stored` the reply waits for the commit and tells the verdict on each event.
 */
import { parsePublishBody } from "@sekali/contract";
import type { Caller } from "../access/caller.ts";
import { RequestError, refusalProblem } from "../problem.ts";
import type { Route } from "../route.ts";
import { readBody } from "./body.ts";
import { readContentType } from "./content-type.ts";
import { type AdmittedBatch, type Intake, jsonResponse, queuedResponse, readAck, tally } from "./intake.ts";
import { type Arrives, takeLines } from "./line-stream.ts";
import { LINES_TYPES } from "./line-types.ts";
import { ACCEPTED, notJson, PUBLISH } from "./publish-endpoint.ts";

export class PublishRoute {
  readonly routes: readonly Route[] = [{ ...PUBLISH, handle: (request, _, caller) => this.handle(request, caller) }];
  readonly #intake: Intake;
  readonly #arrives: Arrives;

  constructor(intake: Intake, arrives: Arrives) {
    this.#intake = intake;
    this.#arrives = arrives;
  }

  async handle(request: Request, caller: Caller): Promise<Response> {
    const ack = readAck(request);
    const form = formOf(request.headers.get("content-type"));
    if (form === "lines") return takeLines(request, caller, ack, this.#intake, this.#arrives);
    const body = this.judge(await readBody(request, this.#intake.limits.bodyBytesMax), caller);
    const receipt = await this.#intake.queue(body, "json");
    if (ack === "queued") return queuedResponse(body.events.length);
    const results = await this.#intake.verdicts(receipt, body.events);
    return jsonResponse(JSON.stringify({ ...tally(results), results }));
  }

  /** The events of a request's JSON body. @throws RequestError saying what is wrong with it. */
  async read(request: Request, caller: Caller): Promise<AdmittedBatch> {
    if (formOf(request.headers.get("content-type")) !== "json") throw notJson(["application/json"]);
    return this.judge(await readBody(request, this.#intake.limits.bodyBytesMax), caller);
  }

  /** The events that a text holds. @throws RequestError saying what is wrong with it. */
  judge(bytes: Uint8Array, caller: Caller): AdmittedBatch {
    const parsed = parsePublishBody(bytes, this.#intake.limits);
    if (!parsed.ok) throw new RequestError(refusalProblem(parsed));
    return this.#intake.admit(caller, parsed, (index) => (parsed.isBatch ? `/${index}` : ""));
  }
}

/** @throws RequestError 415 naming what is taken. */
function formOf(header: string | null): "json" | "lines" {
  if (header === "application/json") return "json";
  const { type, isUtf8 } = readContentType(header);
  if (isUtf8 && LINES_TYPES.includes(type)) return "lines";
  if (isUtf8 && (type === "application/json" || /^application\/[a-z0-9.!#$&^_-]+\+json$/.test(type))) return "json";
  throw notJson(ACCEPTED);
}
