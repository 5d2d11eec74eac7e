/** How a browser signs in at the dashboard, and who it is then. */
import { type Static, Type } from "@sinclair/typebox";
import { TopicPatternSchema } from "./subscription.ts";

/** The body of `POST /session`. */
export const SessionBodySchema = Type.Object(
  {
    key: Type.String({
      minLength: 1,
      maxLength: 256,
      description: "A key's text, as `aggregator keys create` prints it",
    }),
  },
  { additionalProperties: false },
);
export type SessionBody = Static<typeof SessionBodySchema>;

export const SessionSchema = Type.Object({
  name: Type.String({ description: "What the key is called" }),
  scopes: Type.Array(Type.Union([Type.Literal("publish"), Type.Literal("read"), Type.Literal("admin")])),
  topics: Type.Array(TopicPatternSchema),
  expires_at: Type.String({ format: "date-time" }),
});
export type Session = Static<typeof SessionSchema>;

/** `GET /session` */
export const SessionReplySchema = Type.Object({
  access: Type.Union([Type.Literal("open"), Type.Literal("keys")], {
    description: "Whether callers are asked for keys",
  }),
  session: Type.Union([SessionSchema, Type.Null()], { description: "null where the caller has none" }),
});
export type SessionReply = Static<typeof SessionReplySchema>;
