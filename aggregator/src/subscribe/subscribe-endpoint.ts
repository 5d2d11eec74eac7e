/** What `GET /subscribe` is. */
import { StartSchema, TopicPatternSchema } from "@sekali/contract";
import { Type } from "@sinclair/typebox";
import { STORED_EVENT } from "../openapi/examples.ts";
import { QUERY_REFUSED } from "../query/parameters.ts";
import type { Endpoint } from "../route.ts";
import { encodeEvents, encodeOpening } from "./event-stream.ts";
import { FOLLOWING_PROBLEMS } from "./followers.ts";

/** How the stream looks on the wire; a client's parser takes it apart into what the schema describes. */
const CURSOR = "9f86d081~0:1kw.1:1jx";
const RECORD = JSON.stringify(STORED_EVENT);
const decoder = new TextDecoder();
const STREAM = [
  encodeOpening("9f86d081~0:1kv.1:1jx", 1000),
  encodeEvents([{ shard: 0, seq: 2048, topic: STORED_EVENT.topic, record: RECORD }], CURSOR),
]
  .map((bytes) => decoder.decode(bytes))
  .join("");

/** Before OpenAPI 3.2 the schema of a stream stands for each of its events. */
const MessageSchema = Type.Object(
  {
    event: Type.Union([Type.Literal("event"), Type.Literal("end")]),
    id: Type.Optional(Type.String({ description: "A cursor. The last event of a chunk has one" })),
    data: Type.String({
      contentMediaType: "application/json",
      description: "Of `event`: an EventRecord. Of `end`: `{reason, cursor}`",
    }),
  },
  { description: "One server-sent event" },
);

export const SUBSCRIBE = {
  method: "GET",
  path: "/subscribe",
  scope: "read",
  operation: {
    id: "subscribe",
    tag: "Follow",
    summary: "Follow stored events as they become visible",
    description:
      "Server-sent events: each is an EventRecord, sent once on a connection, none left out. Ids are cursors: come " +
      "back " +
      "with the last one, and it goes on there, at whichever aggregator. Who reads too slowly is cut off with " +
      "`event: end` and the cursor to come back with. 410 says that retention has taken what follows the cursor.\n\n" +
      `\`\`\`\n${STREAM}\`\`\``,
    query: {
      topic: { schema: TopicPatternSchema, example: "user.>" },
      from: {
        schema: StartSchema,
        description: "`now` (unless given), `beginning`, a time of arrival, or the id of an event: what follows it.",
        example: "beginning",
      },
    },
    headers: {
      "last-event-id": {
        schema: Type.String({ format: "sekali-cursor" }),
        description: "As browsers send it when they come back; it outweighs `from`.",
      },
    },
    replies: {
      200: {
        description: "Events, for as long as the connection lasts.",
        content: {
          "text/event-stream": {
            schema: MessageSchema,
            examples: {
              event: { event: "event", id: CURSOR, data: RECORD },
              end: { event: "end", id: CURSOR, data: JSON.stringify({ reason: "draining", cursor: CURSOR }) },
            },
          },
        },
      },
    },
    problems: [QUERY_REFUSED, ...FOLLOWING_PROBLEMS],
  },
} as const satisfies Endpoint;
