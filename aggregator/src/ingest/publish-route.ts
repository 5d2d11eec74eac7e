/**
 * `POST /publish`: one event or an array of them, accepted all or nothing.
 *
 * The body is validated once, and its own text travels on. 200 `queued` is sent after Redis has the entry on disk (P1);
 * with `?ack=stored` the reply waits for the commit and tells the verdict on each event.
 */
import {
  type AcceptedBody,
  type Identified,
  NAMED_ERRORS_MAX,
  type ProblemPlace,
  parsePublishBody,
  type StoredReply,
} from "@sekali/contract";
import { RequestError, refusalProblem } from "../problem.ts";
import type { Route } from "../route.ts";
import type { Batcher } from "./batcher.ts";
import { readBody } from "./body.ts";
import type { TopicRegistry } from "./topic-registry.ts";
import type { Verdicts } from "./verdicts.ts";

/**
 * Longer than Postgres may take to come back (P5 promises 15 s only after its return), shorter than HTTP clients wait.
 */
const STORED_DEADLINE_MS = 15_000;

export interface PublishLimits {
  readonly bodyBytesMax: number;
  readonly batchEventsMax: number;
}

export class PublishRoute {
  readonly routes: readonly Route[] = [{ method: "POST", path: "/publish", handle: (request) => this.handle(request) }];
  readonly #batcher: Batcher;
  readonly #verdicts: Verdicts;
  readonly #topics: TopicRegistry;
  readonly #limits: PublishLimits;

  constructor(batcher: Batcher, verdicts: Verdicts, topics: TopicRegistry, limits: PublishLimits) {
    this.#batcher = batcher;
    this.#verdicts = verdicts;
    this.#topics = topics;
    this.#limits = limits;
  }

  async handle(request: Request): Promise<Response> {
    const ack = readAck(request.url);
    const body = await this.read(request);
    const count = body.events.length;
    const receipt = count === 0 ? undefined : await this.#batcher.submit(body.text, count);
    if (ack === "queued") return json(`{"status":"queued","count":${count}}`);
    const results = receipt === undefined ? [] : await this.#verdicts.of(receipt, body.events, STORED_DEADLINE_MS);
    const tally = (verdict: string) => results.filter((result) => result === verdict).length;
    const reply: StoredReply = {
      status: "stored",
      count,
      unique: tally("stored"),
      duplicates: tally("duplicate"),
      dead_lettered: tally("dead_letter"),
      results: [...results],
    };
    return json(JSON.stringify(reply));
  }

  /** The events of a request's body. @throws RequestError saying what is wrong with it. */
  async read(request: Request): Promise<AcceptedBody> {
    requireJson(request.headers.get("content-type"));
    const bytes = await readBody(request, this.#limits.bodyBytesMax);
    return this.judge(bytes);
  }

  /** The events that a text holds. @throws RequestError saying what is wrong with it. */
  judge(bytes: Uint8Array): AcceptedBody {
    const parsed = parsePublishBody(bytes, this.#limits);
    if (!parsed.ok) throw new RequestError(refusalProblem(parsed));
    const crowded = this.#findCrowdedTopics(parsed.events, parsed.isBatch);
    if (crowded.length > 0) {
      throw new RequestError({
        status: 422,
        name: "too-many-topics",
        title: "Too many topics",
        detail: `This installation keeps at most ${this.#topics.topicsMax} different topics (TOPICS_MAX).`,
        errors: crowded,
      });
    }
    return parsed;
  }

  #findCrowdedTopics(events: readonly Identified[], isBatch: boolean): ProblemPlace[] {
    const crowded = this.#topics.admit(events.map((event) => event.topic));
    if (crowded.size === 0) return [];
    const places = events.flatMap(({ topic }, index) => {
      const pointer = isBatch ? `/${index}/topic` : "/topic";
      return crowded.has(topic) ? [{ pointer, detail: "is a new topic, and there is no room for it" }] : [];
    });
    return places.slice(0, NAMED_ERRORS_MAX);
  }
}

/** Made once: a response copies it faster than it can be made of a literal. */
const JSON_HEADERS = new Headers({ "content-type": "application/json" });

function json(body: string): Response {
  return new Response(body, { headers: JSON_HEADERS });
}

/** A request line without a query is by far the most common, and is not parsed. */
function readAck(url: string): "queued" | "stored" {
  const start = url.indexOf("?");
  if (start < 0) return "queued";
  const query = new URLSearchParams(url.slice(start));
  const [ack, ...more] = query.getAll("ack");
  if (more.length === 0 && (ack === undefined || ack === "queued")) return "queued";
  if (more.length === 0 && ack === "stored") return "stored";
  throw new RequestError({
    status: 422,
    name: "unacceptable",
    title: "Unknown acknowledgement",
    detail: "The query parameter `ack` takes `queued` (the default) or `stored`.",
  });
}

function requireJson(contentType: string | null): void {
  if (contentType === "application/json") return;
  const [type = "", ...parameters] = (contentType ?? "").split(";").map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice("charset=".length);
  const isJson = type === "application/json" || /^application\/[a-z0-9.!#$&^_-]+\+json$/.test(type);
  if (isJson && (charset === undefined || charset.replaceAll('"', "") === "utf-8")) return;
  throw new RequestError({
    status: 415,
    name: "not-json",
    title: "Not JSON",
    detail: "Send the events as `Content-Type: application/json`, in UTF-8.",
    headers: { accept: "application/json" },
  });
}
