import { createRoute, z } from "@hono/zod-openapi";
import { GAME_RESULTS } from "../../domain/games.ts";
import { MAX_COUNTER } from "../../domain/statistics.ts";
import { answer, body, failures, like, TOKEN } from "../../http/describe.ts";
import { emailAddress, queryInteger, text, webUrl } from "../../http/input.ts";

const MIN_PASSWORD_CHARACTERS = 6;
const MAX_PAGE = 1_000;
const MAX_GAMES_PAGE = 100;
const MAX_LEADERBOARD = 100;
const tags = ["players"];

export const PlayersError = z
  .object({ success: z.literal(false), message: z.string() })
  .openapi("PlayersError");

const id = { params: z.object({ id: z.string().openapi({ type: "integer", example: "2" }) }) };
const counter = z.number().int().min(0).max(MAX_COUNTER);

const fields = {
  username: text(1, 256).openapi({ example: "user1" }),
  email: emailAddress().openapi({ example: "user1@ggmail.com" }),
  gender: text(1, 64).nullable().optional().openapi({ example: "male" }),
  profile_pic: webUrl().nullable().optional(),
};
const password = z.string().min(MIN_PASSWORD_CHARACTERS).openapi({ example: "secret_password" });

const User = z
  .object({
    email: z.string().nullable().openapi({ example: "user1@ggmail.com" }),
    gender: z.string().nullable().openapi({ example: "male" }),
    profile_pic: z.string().nullable().openapi({ example: null }),
    self: z.string().openapi({ example: "/users/1" }),
    stats: z.string().openapi({ example: "/users/1/stats" }),
    username: z.string().openapi({ example: "user1" }),
  })
  .openapi("Player");

const Stats = z
  .object({ loss_count: counter, session_count: counter, total_time: counter, victory_count: counter })
  .openapi("PlayerStats", {
    example: { loss_count: 4, session_count: 12, total_time: 5000, victory_count: 8 },
  });

const Game = z
  .object({
    id: z.number().int(),
    role: z.string(),
    result: z.enum(GAME_RESULTS),
    duration: counter,
    played_at: z.string().openapi({ format: "date-time" }),
  })
  .openapi("Game", {
    example: { id: 1, role: "sniper", result: "win", duration: 60, played_at: "2026-04-14T10:30:00.000Z" },
  });

export const listUsers = createRoute({
  method: "get",
  path: "/users",
  tags,
  summary: "Get all users, oldest first; streamed, or a page with limit and after",
  request: {
    query: z.object({
      limit: queryInteger(1, MAX_PAGE).optional().openapi({ type: "integer" }),
      after: queryInteger(0, MAX_COUNTER).optional().openapi({ type: "integer" }),
    }),
  },
  responses: { 200: answer(z.array(User), "The users"), ...failures(PlayersError, 400, 503) },
});

export const createUser = createRoute({
  method: "post",
  path: "/users",
  tags,
  summary: "Create a user; answers it with a token",
  request: body(z.object({ ...fields, password, invitation: z.string().optional() })),
  responses: {
    201: answer(User.extend({ token: like("secret_token") }).openapi("NewPlayer"), "Created"),
    ...failures(PlayersError, 400, 403, 409, 413, 415, 503),
  },
});

export const leaderboard = createRoute({
  method: "get",
  path: "/users/leaderboard",
  tags,
  summary: "The players with the most victories",
  request: {
    query: z.object({
      limit: queryInteger(1, MAX_LEADERBOARD).default(10).openapi({ type: "integer", default: 10 }),
    }),
  },
  responses: {
    200: answer(
      z.array(
        User.extend({
          rank: z.number().int().openapi({ example: 1 }),
          victory_count: counter.openapi({ example: 8 }),
        }).openapi("RankedPlayer"),
      ),
      "Best first; equal counts share a rank",
    ),
    ...failures(PlayersError, 400, 503),
  },
});

export const getUser = createRoute({
  method: "get",
  path: "/users/{id}",
  tags,
  summary: "Get a user by id",
  request: id,
  responses: { 200: answer(User, "The user"), ...failures(PlayersError, 404, 503) },
});

const Changes = z.object({
  username: fields.username.optional(),
  email: fields.email.optional(),
  gender: fields.gender,
  profile_pic: fields.profile_pic,
  password: password.optional(),
  current_password: z.string().optional().openapi({ description: "Required to change the password" }),
});
export type UserChanges = z.infer<typeof Changes>;

const updating = (method: "put" | "patch") =>
  createRoute({
    method,
    path: "/users/{id}",
    tags,
    security: TOKEN,
    summary: "Change the fields that are sent; null clears an optional one",
    request: { ...id, ...body(Changes) },
    responses: {
      200: answer(User, "The changed user"),
      ...failures(PlayersError, 400, 401, 403, 404, 409, 413, 415, 503),
    },
  });
export const putUser = updating("put");
export const patchUser = updating("patch");

export const deleteUser = createRoute({
  method: "delete",
  path: "/users/{id}",
  tags,
  security: TOKEN,
  summary: "Deactivate a user",
  request: id,
  responses: { 204: { description: "Deactivated" }, ...failures(PlayersError, 401, 403, 404, 503) },
});

export const getStats = createRoute({
  method: "get",
  path: "/users/{id}/stats",
  tags,
  security: TOKEN,
  summary: "Get a user's counters; total_time is in seconds",
  request: id,
  responses: { 200: answer(Stats, "The counters"), ...failures(PlayersError, 401, 404, 503) },
});

const CounterChanges = Stats.partial().openapi("PlayerStatsChanges", { example: { victory_count: 9 } });
export type StatsChanges = z.infer<typeof CounterChanges>;

const updatingStats = (method: "put" | "patch") =>
  createRoute({
    method,
    path: "/users/{id}/stats",
    tags,
    security: TOKEN,
    summary: "Change the counters that are sent",
    request: { ...id, ...body(CounterChanges) },
    responses: {
      200: answer(Stats, "The changed counters"),
      ...failures(PlayersError, 400, 401, 403, 404, 413, 415, 503),
    },
  });
export const putStats = updatingStats("put");
export const patchStats = updatingStats("patch");

export const createGame = createRoute({
  method: "post",
  path: "/users/{id}/games",
  tags,
  security: TOKEN,
  summary: "Record a game and move the counters with it; duration is in seconds",
  request: {
    ...id,
    ...body(
      z.object({
        role: text(1, 64).openapi({ example: "sniper" }),
        result: z.enum(GAME_RESULTS).openapi({ example: "win" }),
        duration: counter.openapi({ example: 60 }),
        played_at: z.iso.datetime({ offset: true }).optional(),
      }),
    ),
  },
  responses: {
    201: answer(Game, "Recorded"),
    ...failures(PlayersError, 400, 401, 403, 404, 413, 415, 503),
  },
});

export const listGames = createRoute({
  method: "get",
  path: "/users/{id}/games",
  tags,
  security: TOKEN,
  summary: "A user's games, newest first; before is a game's id",
  request: {
    ...id,
    query: z.object({
      limit: queryInteger(1, MAX_GAMES_PAGE).default(20).openapi({ type: "integer", default: 20 }),
      before: queryInteger(1, MAX_COUNTER).optional().openapi({ type: "integer" }),
    }),
  },
  responses: { 200: answer(z.array(Game), "The games"), ...failures(PlayersError, 400, 401, 404, 503) },
});

export const requestPdf = createRoute({
  method: "post",
  path: "/users/{id}/pdf",
  tags,
  security: TOKEN,
  summary: "Ask for a user's PDF; answers where it will be",
  request: id,
  responses: {
    200: answer(z.object({ url: z.string().openapi({ example: "/users/2/pdf" }) }), "It is being made"),
    ...failures(PlayersError, 401, 404, 503),
  },
});

export const getPdf = createRoute({
  method: "get",
  path: "/users/{id}/pdf",
  tags,
  security: TOKEN,
  summary: "Get the newest finished PDF",
  request: id,
  responses: {
    200: {
      description: "The document",
      content: { "application/pdf": { schema: z.string().openapi({ format: "binary" }) } },
    },
    202: { description: "The first one is being made; see Retry-After" },
    ...failures(PlayersError, 401, 404, 503),
  },
});

export const login = createRoute({
  method: "post",
  path: "/login",
  tags,
  summary: "Sign in",
  request: body(
    z.object({
      username: z.string().min(1).openapi({ example: "user1" }),
      password: z.string().min(1).openapi({ example: "secret_password" }),
    }),
  ),
  responses: {
    200: answer(
      z
        .object({
          success: z.literal(true),
          token: like("secret_token"),
          user: like("users/1"),
        })
        .openapi("PlayersLogin"),
      "Signed in",
    ),
    ...failures(PlayersError, 400, 401, 403, 413, 415, 503),
  },
});
