/**
 * `POST /cloudevents`: CloudEvents 1.0 over HTTP, binary, structured and batched.
 *
 * Each becomes an event of ours (`mapping.ts`), which the contract then judges like any other. A batch is accepted all
 * or nothing. Replies, problems and `?ack=stored` are those of `/publish`; pointers are into the CloudEvent.
 */
import { NAMED_ERRORS_MAX, type ProblemPlace, parsePublishBody, type RefusedBody } from "@sekali/contract";
import type { Caller } from "../../access/caller.ts";
import { RequestError, refusalProblem } from "../../problem.ts";
import type { Route } from "../../route.ts";
import { readBody } from "../body.ts";
import { readContentType } from "../content-type.ts";
import { type AdmittedBatch, type Intake, jsonResponse, queuedResponse, readAck, tally } from "../intake.ts";
import { malformed, noCloudEvent, SEND_CLOUDEVENTS, unfitting } from "./cloudevents-endpoint.ts";
import { type Attributes, cloudEventFaults, mapCloudEvent, pointerInCloudEvent, REQUIRED } from "./mapping.ts";
import { BATCHED, decodeText, NotReadable, readBatch, readBinary, readStructured, STRUCTURED } from "./modes.ts";

export class CloudEventsRoute {
  readonly routes: readonly Route[] = [
    { ...SEND_CLOUDEVENTS, handle: (request, _, caller) => this.handle(request, caller) },
  ];
  readonly #intake: Intake;

  constructor(intake: Intake) {
    this.#intake = intake;
  }

  async handle(request: Request, caller: Caller): Promise<Response> {
    const ack = readAck(request);
    const mode = modeOf(request.headers);
    const body = await readBody(request, this.#intake.limits.bodyBytesMax);
    const batch = this.#map(readMode(mode, request.headers, body), mode === "batched", caller);
    const receipt = await this.#intake.queue(batch, "cloudevents");
    if (ack === "queued") return queuedResponse(batch.events.length);
    const results = await this.#intake.verdicts(receipt, batch.events);
    return jsonResponse(JSON.stringify({ ...tally(results), results }));
  }

  #map(cloudEvents: readonly (Attributes | undefined)[], isBatch: boolean, caller: Caller): AdmittedBatch {
    const place = (index: number) => (isBatch ? `/${index}` : "");
    const faults = cloudEvents.flatMap((attributes, index) => faultsAt(place(index), attributes));
    if (faults.length > 0) throw new RequestError(unfitting(faults.slice(0, NAMED_ERRORS_MAX)));
    const arrival = new Date();
    const events = cloudEvents.map((attributes) => mapCloudEvent(attributes ?? new Map(), arrival));
    const parsed = parsePublishBody(Buffer.from(JSON.stringify(events)), this.#intake.limits);
    if (!parsed.ok) throw new RequestError(refusalProblem(inCloudEvents(parsed, isBatch)));
    return this.#intake.admit(caller, parsed, place, "type");
  }
}

type Mode = "binary" | "structured" | "batched";

/** @throws RequestError 415 for what is a CloudEvent in no mode, or in a format that is not JSON. */
function modeOf(headers: Headers): Mode {
  const { type, isUtf8 } = readContentType(headers.get("content-type"));
  if (isUtf8 && type === STRUCTURED) return "structured";
  if (isUtf8 && type === BATCHED) return "batched";
  // The prefix belongs to structured modes, whatever their format (HTTP binding, section 3). One attribute is enough to
  // tell what was meant, and which is missing.
  const isBinary = REQUIRED.some((name) => headers.has(`ce-${name}`));
  if (!type.startsWith("application/cloudevents") && isBinary) return "binary";
  throw noCloudEvent();
}

function readMode(mode: Mode, headers: Headers, body: Uint8Array): readonly (Attributes | undefined)[] {
  try {
    if (mode === "binary") return [readBinary(headers, body)];
    return mode === "batched" ? readBatch(decodeText(body)) : [readStructured(decodeText(body))];
  } catch (error) {
    if (!(error instanceof NotReadable)) throw error;
    throw new RequestError(malformed(error.message));
  }
}

function faultsAt(place: string, attributes: Attributes | undefined): ProblemPlace[] {
  if (attributes === undefined) return [{ pointer: place, detail: "must be a CloudEvent, which is an object" }];
  return cloudEventFaults(attributes).map(({ pointer, detail }) => ({ pointer: place + pointer, detail }));
}

/** The contract speaks of events in an array; the caller knows CloudEvents. */
function inCloudEvents(refused: RefusedBody, isBatch: boolean): RefusedBody {
  const errors = refused.errors.map(({ pointer, detail }) => {
    const [, index = "", rest = ""] = /^\/(\d+)(.*)$/s.exec(pointer) ?? [];
    return { pointer: `${isBatch ? `/${index}` : ""}${pointerInCloudEvent(rest)}`, detail };
  });
  return { ...refused, errors };
}
