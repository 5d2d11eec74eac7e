/**
 * `POST /v1/logs`: OTLP/HTTP logs, protobuf or JSON, as OpenTelemetry's SDKs and the Collector send them.
 *
 * Each log record becomes an event of ours (`mapping.ts`), which the contract judges like any other. A record that it
 * refuses is rejected, named in `partial_success`, and the others are queued; where all are refused it is a 400.
 * So is one whose topic is not the key's: a Collector sends the logs of many services at once, and one of them must not
 * cost the others theirs. Where no topic is the key's it is a 403, which exporters log and do not retry.
 * What can be retried is a 503 with `Retry-After`; a 429, on which several exporters drop, is for a key's quota alone.
 *
 * Everything that is queued before the 200 is on disk (P1). A request whose records do not fit into one batch becomes
 * several, and may fail with some of them queued: sending it again is safe for records that have an identity of their
 * own (`log.record.uid`, or `OTLP_IDENTITY=content`), and stores others twice.
 */
import { setImmediate } from "node:timers/promises";
import { type Identified, type ProblemPlace, parseEventLine } from "@sekali/contract";
import type { Caller } from "../../access/caller.ts";
import { notCovered } from "../../access/covered.ts";
import type { IngestObserver, Rejection, RequestObserver } from "../../ops/observers.ts";
import { problemOf, RequestError, reasonOf } from "../../problem.ts";
import type { Route } from "../../route.ts";
import { readBody } from "../body.ts";
import { readContentType } from "../content-type.ts";
import { type AdmittedBatch, CROWDED_TOPIC, FOREIGN_TOPIC, type Intake } from "../intake.ts";
import {
  decodeRequest,
  describePlaces,
  type Encoding,
  exportResponse,
  MEDIA_TYPES,
  statusResponse,
  TooManyMessages,
} from "./codec.ts";
import type { ExportLogsServiceRequest } from "./generated/opentelemetry/proto/collector/logs/v1/logs_service_pb.js";
import { type MappedRecord, type MappingSettings, RecordMapper } from "./mapping.ts";
import { badData, notDecoded, notOtlp, SEND_OTLP_LOGS, tooLarge } from "./otlp-logs-endpoint.ts";

/**
 * Each record carries its resource's and its scope's attributes, so the text of a request's events may be larger than
 * the request, by as much as whoever sends it likes. Exporters' usual requests stay below this.
 */
const GROWTH_MAX = 4;
/** Of the largest body on average: what records, attributes and values of real logs take at least. */
const MESSAGE_BYTES_MIN = 10;
const NAMED_RECORDS_MAX = 5;
/** Mapped in one turn of the event loop: a millisecond or two, then other requests have theirs. */
const RECORDS_A_TURN = 200;

interface Judged {
  readonly events: Identified[];
  readonly texts: string[];
  /** Of the events: the record's number in the request. */
  readonly numbers: number[];
  /** Pointers begin with the record's number in the request. */
  readonly rejected: ProblemPlace[];
  readonly rejections: Map<Rejection, number>;
}

type Observer = Pick<RequestObserver, "refused"> & Pick<IngestObserver, "rejected">;

export class OtlpLogsRoute {
  readonly routes: readonly Route[] = [
    { ...SEND_OTLP_LOGS, handle: (request, _, caller) => this.handle(request, caller) },
  ];
  readonly #intake: Intake;
  readonly #settings: MappingSettings;
  readonly #observer: Observer;

  constructor(intake: Intake, settings: MappingSettings, observer: Observer) {
    this.#intake = intake;
    this.#settings = settings;
    this.#observer = observer;
  }

  async handle(request: Request, caller: Caller): Promise<Response> {
    const encoding = encodingOf(request.headers.get("content-type"));
    try {
      return await this.#export(request, encoding, caller);
    } catch (error) {
      const problem = problemOf(error);
      // A fault of ours is logged where all of them are.
      if (problem === undefined) throw error;
      this.#observer.refused(reasonOf(problem));
      const { status, title, detail, headers } = problem;
      return statusResponse(encoding, status, detail ?? title, headers ?? {});
    }
  }

  async #export(request: Request, encoding: Encoding, caller: Caller): Promise<Response> {
    const bytes = await readBody(request, this.#intake.limits.bodyBytesMax);
    const judged = await this.#judge(decode(bytes, encoding, this.#intake.limits.bodyBytesMax));
    const isForeign = rejectTopics(judged, this.#intake.foreignTopics(caller, judged.events), "topic-not-covered");
    const isAllForeign = isForeign && judged.events.length === 0;
    rejectTopics(judged, this.#intake.crowdedTopics(caller, judged.events), "too-many-topics");
    const message = describePlaces(judged.rejected);
    await this.#intake.queueAll(this.#batches(judged, caller), "otlp");
    // Not before: what can't be queued now is sent again, and would be counted again.
    const { rejections } = judged;
    for (const [why, records] of rejections) this.#observer.rejected(why, records);
    if (isAllForeign) throw notCovered(message, judged.rejected);
    if (judged.events.length === 0 && rejections.size > 0) {
      throw new RequestError(badData(`None of the log records can be kept: ${message}`));
    }
    return exportResponse(encoding, sum(rejections.values()), message);
  }

  async #judge(request: ExportLogsServiceRequest): Promise<Judged> {
    const judged: Judged = { events: [], texts: [], numbers: [], rejected: [], rejections: new Map() };
    const charactersMax = this.#intake.limits.bodyBytesMax * GROWTH_MAX;
    let characters = 0;
    let index = 0;
    for (const event of mapAll(request, this.#settings)) {
      const text = JSON.stringify(event);
      characters += text.length;
      if (characters > charactersMax) {
        const detail = `With their resources, these records come to more than ${charactersMax} characters; send fewer.`;
        throw new RequestError(tooLarge(detail));
      }
      const parsed = parseEventLine(Buffer.from(text));
      if (parsed.ok) {
        judged.events.push(...parsed.events);
        judged.texts.push(parsed.text);
        judged.numbers.push(index);
      } else reject(judged, index, "unacceptable", parsed.errors);
      index += 1;
      if (index % RECORDS_A_TURN === 0) await setImmediate();
    }
    return judged;
  }

  /** As few as fit. */
  #batches({ events, texts }: Judged, caller: Caller): AdmittedBatch[] {
    const { batchEventsMax, bodyBytesMax } = this.#intake.limits;
    const batches: { events: Identified[]; texts: string[]; characters: number }[] = [];
    for (const [index, text] of texts.entries()) {
      let last = batches.at(-1);
      if (last === undefined || last.events.length >= batchEventsMax || last.characters + text.length > bodyBytesMax) {
        last = { events: [], texts: [], characters: 0 };
        batches.push(last);
      }
      last.events.push(...events.slice(index, index + 1));
      last.texts.push(text);
      last.characters += text.length;
    }
    return batches.map((batch) =>
      this.#intake.admit(caller, { events: batch.events, text: batch.texts.join(",") }, () => ""),
    );
  }
}

function* mapAll(request: ExportLogsServiceRequest, settings: MappingSettings): Generator<MappedRecord> {
  const arrival = new Date();
  for (const ofResource of request.resourceLogs) {
    for (const ofScope of ofResource.scopeLogs) {
      const mapper = new RecordMapper(settings, arrival, ofResource, ofScope);
      for (const record of ofScope.logRecords) yield mapper.map(record);
    }
  }
}

function reject(judged: Judged, index: number, why: Rejection, faults: readonly ProblemPlace[]): void {
  judged.rejections.set(why, (judged.rejections.get(why) ?? 0) + 1);
  if (judged.rejected.length >= NAMED_RECORDS_MAX) return;
  const [first = { pointer: "", detail: "is no event" }] = faults;
  judged.rejected.push({ pointer: `/${index}${first.pointer}`, detail: first.detail });
}

type TopicRejection = Exclude<Rejection, "unacceptable">;
const DETAILS = { "topic-not-covered": FOREIGN_TOPIC, "too-many-topics": CROWDED_TOPIC } as const;

/** Rejects the events of some topics and keeps the others. @returns whether there were any. */
function rejectTopics(judged: Judged, topics: ReadonlySet<string>, why: TopicRejection): boolean {
  if (topics.size === 0) return false;
  const { events, texts, numbers } = judged;
  let kept = 0;
  for (const [index, event] of events.entries()) {
    if (topics.has(event.topic)) {
      reject(judged, numbers[index] ?? index, why, [{ pointer: "/topic", detail: DETAILS[why] }]);
      continue;
    }
    events[kept] = event;
    texts[kept] = texts[index] ?? "";
    numbers[kept] = numbers[index] ?? index;
    kept += 1;
  }
  for (const each of [events, texts, numbers]) each.length = kept;
  return true;
}

function decode(bytes: Uint8Array, encoding: Encoding, bytesMax: number): ExportLogsServiceRequest {
  const messagesMax = Math.floor(bytesMax / MESSAGE_BYTES_MIN);
  try {
    return decodeRequest(bytes, encoding, messagesMax);
  } catch (error) {
    if (error instanceof TooManyMessages) {
      const detail = `A request may hold at most ${messagesMax} records, attributes and values together; send fewer.`;
      throw new RequestError(tooLarge(detail));
    }
    throw new RequestError(badData(notDecoded(encoding, error instanceof Error ? error.message : String(error))));
  }
}

/** @throws RequestError 415: what is not OTLP is answered as everywhere else here. */
function encodingOf(header: string | null): Encoding {
  const { type, isUtf8 } = readContentType(header);
  if (type === MEDIA_TYPES.protobuf) return "protobuf";
  if (type === MEDIA_TYPES.json && isUtf8) return "json";
  throw notOtlp();
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const each of numbers) total += each;
  return total;
}
