import { createRoute, z } from "@hono/zod-openapi";
import { STANDINGS } from "../../domain/room-people.ts";
import { answer, body, failures, like, TOKEN } from "../../http/describe.ts";
import { emailAddress, queryInteger, text } from "../../http/input.ts";

const tags = ["chat"];
const MIN_PASSWORD_CHARACTERS = 6;
const MAX_PAGE = 300;
const DEFAULT_PAGE = 50;
const MAX_SLOW_MODE_SECONDS = 6 * 60 * 60;

export const ChatError = z.object({ error: z.string() }).openapi("ChatError");

const refusals = <S extends number>(...statuses: readonly S[]) => failures(ChatError, ...statuses);

const Id = z.number().int().openapi({ example: 1 });
const User = z.object({ id: Id, username: like("user") }).openapi("ChatUser");
const Time = z.string().openapi({ format: "date-time", example: "2026-04-14T10:30:00.000Z" });

const roomIdOut = z.union([z.number().int(), z.string()]).openapi({
  example: 1,
  description: 'As it was given: a number or a text; 1 and "1" are the same room',
});

const MAX_NAME_CHARACTERS = 100;

/** Counted as messages are: what takes two units of UTF-16 is one character. */
const roomName = () =>
  text(1, 2 * MAX_NAME_CHARACTERS)
    .refine(
      (name) => [...name].length <= MAX_NAME_CHARACTERS,
      `has at most ${MAX_NAME_CHARACTERS} characters`,
    )
    .refine((name) => name.trim() !== "" && !/\p{Cc}/u.test(name), "is blank or holds control characters")
    .openapi({ example: "room1", maxLength: MAX_NAME_CHARACTERS });

export const Room = z.object({ id: roomIdOut, name: like("room1") }).openapi("ChatRoom");
export type Room = z.infer<typeof Room>;

/** What everybody in a room gets, and what history is made of. */
export const Message = z
  .object({
    content: like("Hello"),
    roomId: roomIdOut,
    username: like("user"),
    id: Id.openapi({ description: "Grows with every message of all rooms" }),
    userId: Id.openapi({ description: "Negative for guests" }),
    sentAt: Time,
  })
  .openapi("ChatMessage");
export type Message = z.infer<typeof Message>;

export const signUp = createRoute({
  method: "post",
  path: "/api/users/signup",
  tags,
  summary: "Register",
  request: body(
    z.object({
      username: text(1, 256).openapi({ example: "user" }),
      email: emailAddress().openapi({ example: "user@example.com" }),
      password: z.string().min(MIN_PASSWORD_CHARACTERS).openapi({ example: "rahasia" }),
      invitation: text(1, 256).optional().openapi({ description: "The code of an invitation" }),
    }),
  ),
  responses: {
    200: answer(
      z.object({ id: Id, username: like("user"), email: like("user@example.com") }).openapi("ChatAccount"),
      "Registered",
    ),
    ...refusals(400, 403, 409, 413, 415),
  },
});

export const signIn = createRoute({
  method: "post",
  path: "/api/users/signin",
  tags,
  summary: "Sign in; the answer sets the cookie `jwt` for an hour",
  request: body(
    z.object({
      email: z.string().max(254).openapi({ example: "user@example.com" }),
      password: z.string().min(1).openapi({ example: "rahasia" }),
    }),
  ),
  responses: { 200: answer(User, "Signed in"), ...refusals(400, 401, 403, 413, 415) },
});

export const signOut = createRoute({
  method: "get",
  path: "/api/users/logout",
  tags,
  security: TOKEN,
  summary: "End the session and clear the cookie",
  responses: {
    200: answer(z.object({ message: like("logout successful") }), "Signed out"),
    ...refusals(401, 403),
  },
});

export const createRoom = createRoute({
  method: "post",
  path: "/ws/create-room",
  tags,
  security: TOKEN,
  summary: "Make a room; who makes it owns it",
  request: body(
    z.object({
      id: z.union([z.number().int(), z.string()]).nullish().openapi({
        example: 1,
        description: "A whole number or 1 to 64 of A-Z, a-z, 0-9, _ and -; without it one is made",
      }),
      name: roomName(),
      private: z
        .boolean()
        .optional()
        .openapi({ description: "Only who is let in sees it, from the beginning" }),
    }),
  ),
  responses: { 200: answer(Room, "Made"), ...refusals(400, 401, 403, 409, 413, 415) },
});

export const listRooms = createRoute({
  method: "get",
  path: "/ws/get-rooms",
  tags,
  security: TOKEN,
  summary: "The rooms that one may see, in the order of making",
  responses: { 200: answer(z.array(Room), "The rooms"), ...refusals(401) },
});

export const listClients = createRoute({
  method: "get",
  path: "/ws/get-clients",
  tags,
  security: TOKEN,
  summary: "Who is connected to any room",
  responses: { 200: answer(z.array(User), "Each person once"), ...refusals(401) },
});

const roomParam = z.object({ roomId: z.string().openapi({ example: "1" }) });

export const listClientsOfRoom = createRoute({
  method: "get",
  path: "/ws/get-clients/{roomId}",
  tags,
  security: TOKEN,
  summary: "Who is connected to one room",
  request: { params: roomParam },
  responses: { 200: answer(z.array(User), "Each person once"), ...refusals(401, 403, 404) },
});

export const joinRoom = createRoute({
  method: "get",
  path: "/ws/join-room/{roomId}",
  tags,
  security: TOKEN,
  summary: "Open a WebSocket in a room",
  description: `Without a subprotocol a text frame is a message, and everybody in the room gets \`ChatMessage\`; two notices without \`id\` say who came and went. With the subprotocol \`guildhall.v1\` all frames are JSON: see docs/chat.md. A browser that has no cookie takes a ticket first.`,
  request: {
    params: roomParam,
    query: z.object({
      userId: z.string().optional().openapi({ example: "1", description: "When given, the account's own" }),
      username: z
        .string()
        .optional()
        .openapi({ example: "user", description: "When given, the account's own" }),
      ticket: z.string().optional().openapi({ description: "From POST /ws/ticket, instead of a token" }),
      since: z
        .string()
        .optional()
        .openapi({ description: "The last message that one has; what came after it is replayed" }),
      epoch: z.string().optional().openapi({ description: "As the last welcome told it" }),
    }),
  },
  responses: { 101: { description: "Connected" }, ...refusals(400, 401, 403, 404, 409, 426) },
});

export const createTicket = createRoute({
  method: "post",
  path: "/ws/ticket",
  tags,
  security: TOKEN,
  summary: "A ticket that opens one socket",
  responses: {
    200: answer(
      z
        .object({
          ticket: like("0XGdT5nJ0mTn5a0kQfb3l1mTtZ0J2mNwWbqYxJqv7zE"),
          expires_in: z.number().int().openapi({ example: 30, description: "Seconds" }),
        })
        .openapi("ChatTicket"),
      "The ticket",
    ),
    ...refusals(401, 403),
  },
});

const inRoom = { params: z.object({ id: z.string().openapi({ example: "1" }) }) };

const messageId = queryInteger(0, Number.MAX_SAFE_INTEGER);

export const history = createRoute({
  method: "get",
  path: "/ws/rooms/{id}/messages",
  tags,
  security: TOKEN,
  summary: "Messages in ascending order: the newest ones, those before an id, or those after one",
  request: {
    ...inRoom,
    query: z.object({
      before: messageId.optional().openapi({ description: "Exclusive" }),
      after: messageId.optional().openapi({ description: "Exclusive" }),
      limit: queryInteger(1, MAX_PAGE).default(DEFAULT_PAGE),
    }),
  },
  responses: {
    200: answer(
      z
        .object({ messages: z.array(Message), epoch: like("5f1c0a7de94b4a0c8d0e2b6f7a913c55") })
        .openapi("ChatHistory"),
      "A page",
    ),
    ...refusals(400, 401, 403, 404),
  },
});

export const say = createRoute({
  method: "post",
  path: "/ws/rooms/{id}/messages",
  tags,
  security: TOKEN,
  summary: "Say something; with a key it may be sent again and is stored once",
  request: {
    ...inRoom,
    ...body(z.object({ content: z.string().openapi({ example: "Hello" }), key: z.string().optional() })),
  },
  responses: {
    201: answer(Message, "Stored, and told to everybody in the room"),
    ...refusals(400, 401, 403, 404, 413, 415),
  },
});

const reasonGiven = { reason: text(0, 500).optional().openapi({ example: "spam" }) };

const optionalBody = <T extends z.ZodType>(schema: T) => ({
  body: { required: false, content: { "application/json": { schema } } },
});

export const removeMessage = createRoute({
  method: "delete",
  path: "/ws/rooms/{id}/messages/{messageId}",
  tags,
  security: TOKEN,
  summary: "Remove a message for good; for its author and for moderators",
  request: {
    params: z.object({
      id: z.string().openapi({ example: "1" }),
      messageId: z.string().openapi({ example: "1" }),
    }),
    ...optionalBody(z.object(reasonGiven)),
  },
  responses: { 204: { description: "Removed" }, ...refusals(400, 401, 403, 404, 413, 415) },
});

const ownStanding = z.enum(["owner", "moderator", "member"]).nullable().openapi({ example: "owner" });

export const myRooms = createRoute({
  method: "get",
  path: "/ws/rooms",
  tags,
  security: TOKEN,
  summary: "The rooms that one may see, with what is unread",
  responses: {
    200: answer(
      z.array(
        z
          .object({
            id: roomIdOut,
            name: like("room1"),
            unread: z.number().int().openapi({
              example: 3,
              description: "Messages of others after the last one read, counted up to 1000",
            }),
            members: z.number().int().openapi({ example: 2, description: "How many people are connected" }),
            private: z.boolean().openapi({ example: false }),
            you: ownStanding,
          })
          .openapi("ChatOwnRoom"),
      ),
      "The rooms, in the order of making",
    ),
    ...refusals(401),
  },
});

/** A mute or a ban. */
const held = (what: string) =>
  z
    .object({ until: Time.nullable().openapi({ description: "Null: for ever" }) })
    .nullable()
    .openapi({ description: `Null: ${what}`, example: { until: "2026-04-14T11:30:00.000Z" } });

export const getRoom = createRoute({
  method: "get",
  path: "/ws/rooms/{id}",
  tags,
  security: TOKEN,
  summary: "A room as it is now, and what holds for oneself; for who may enter it",
  request: inRoom,
  responses: {
    200: answer(
      z
        .object({
          id: roomIdOut,
          name: like("room1"),
          private: z.boolean().openapi({ example: false }),
          read_only: z.boolean().openapi({ example: false }),
          slow_mode_seconds: z.number().int().openapi({ example: 10, description: "0 is no slow mode" }),
          created_at: Time,
          you: ownStanding,
          muted: held("one may speak"),
        })
        .openapi("ChatOneRoom"),
      "The room",
    ),
    ...refusals(401, 403, 404),
  },
});

export const peopleOfRoom = createRoute({
  method: "get",
  path: "/ws/rooms/{id}/people",
  tags,
  security: TOKEN,
  summary: "Who is owner, moderator, member, muted or banned; for the room's moderators and `chat.moderate`",
  request: {
    ...inRoom,
    query: z.object({
      standing: z.enum(STANDINGS).optional().openapi({ description: "Only those; without it, all of them" }),
      after: queryInteger(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
        .optional()
        .openapi({ description: "Exclusive: the id of the last one of the page before" }),
      limit: queryInteger(1, MAX_PAGE).default(DEFAULT_PAGE),
    }),
  },
  responses: {
    200: answer(
      z
        .object({
          people: z.array(
            z
              .object({
                id: Id.openapi({ description: "Negative for guests" }),
                username: like("user"),
                role: z.enum(["owner", "moderator"]).nullable().openapi({ example: "moderator" }),
                member: z.boolean().openapi({ example: true, description: "Let into the private room" }),
                muted: held("not muted, or not any more"),
                banned: held("not banned, or not any more"),
              })
              .openapi("ChatRoomPerson"),
          ),
        })
        .openapi("ChatRoomPeople"),
      "A page, in the order of the ids",
    ),
    ...refusals(400, 401, 403, 404),
  },
});

export const changeRoom = createRoute({
  method: "patch",
  path: "/ws/rooms/{id}",
  tags,
  security: TOKEN,
  summary: "Change a room; for its owner and moderators",
  request: {
    ...inRoom,
    ...body(
      z.object({
        name: roomName().optional(),
        slow_mode_seconds: z.number().int().min(0).max(MAX_SLOW_MODE_SECONDS).optional().openapi({
          example: 10,
          description: "Who is no moderator may say something so often; 0 is no slow mode",
        }),
        read_only: z
          .boolean()
          .optional()
          .openapi({ example: false, description: "True: only moderators may write" }),
        private: z
          .boolean()
          .optional()
          .openapi({ example: false, description: "True: only members and moderators see it" }),
      }),
    ),
  },
  responses: { 204: { description: "Changed" }, ...refusals(400, 401, 403, 404, 413, 415) },
});

export const deleteRoom = createRoute({
  method: "delete",
  path: "/ws/rooms/{id}",
  tags,
  security: TOKEN,
  summary: "Delete a room with its messages; for its owner and moderators",
  request: inRoom,
  responses: { 204: { description: "Deleted" }, ...refusals(401, 403, 404) },
});

const onPerson = {
  params: z.object({
    id: z.string().openapi({ example: "1" }),
    userId: z.string().openapi({ example: "2" }),
  }),
};

const term = optionalBody(
  z.object({
    until: z.iso
      .datetime({ offset: true })
      .optional()
      .openapi({ example: "2030-01-01T00:00:00Z", description: "For ever, without it" }),
    ...reasonGiven,
  }),
);

const moderated = {
  204: { description: "Done, and acted upon at once" },
  ...refusals(400, 401, 403, 404, 413, 415),
};

/** An act upon somebody. */
const acting = <P extends string>(method: "put" | "delete", path: P, summary: string) =>
  createRoute({ method, path, tags, security: TOKEN, summary, request: onPerson, responses: moderated });

/** The same with an end and a reason. */
const actingFor = <P extends string>(path: P, summary: string) =>
  createRoute({
    method: "put",
    path,
    tags,
    security: TOKEN,
    summary,
    request: { ...onPerson, ...term },
    responses: moderated,
  });

export const mute = actingFor("/ws/rooms/{id}/mutes/{userId}", "Silence somebody");
export const unmute = acting("delete", "/ws/rooms/{id}/mutes/{userId}", "Let somebody speak again");
export const ban = actingFor("/ws/rooms/{id}/bans/{userId}", "Shut somebody out");
export const unban = acting("delete", "/ws/rooms/{id}/bans/{userId}", "Let somebody in again");
export const kick = createRoute({
  method: "post",
  path: "/ws/rooms/{id}/kick/{userId}",
  tags,
  security: TOKEN,
  summary: "Close somebody's sockets in the room",
  request: { ...onPerson, ...optionalBody(z.object(reasonGiven)) },
  responses: moderated,
});
export const addModerator = acting("put", "/ws/rooms/{id}/moderators/{userId}", "Make somebody a moderator");
export const removeModerator = acting("delete", "/ws/rooms/{id}/moderators/{userId}", "Take the role away");
export const addMember = acting("put", "/ws/rooms/{id}/members/{userId}", "Let somebody into a private room");
export const removeMember = acting("delete", "/ws/rooms/{id}/members/{userId}", "Put somebody out of it");
