import { createRoute, z } from "@hono/zod-openapi";
import { answer, body, failures, TOKEN } from "../../http/describe.ts";
import { emailAddress, text, webUrl } from "../../http/input.ts";
import { ApiError } from "../api-errors.ts";

const MAX_USERNAMES = 100;
const tags = ["stats"];

const Uuid = z.uuid();

const ProfileInput = z.object({
  username: text(1, 256).openapi({ example: "random_user" }),
  email: emailAddress().openapi({ example: "wowowow.gmail@gmail.com" }),
  avatar: webUrl().optional().openapi({ example: "https://images.google.com/" }),
  sex: text(1, 64).openapi({ example: "male" }),
});

const Profile = z
  .object({
    id: Uuid,
    username: z.string(),
    avatar: z.string().optional(),
    sex: z.string(),
    email: z.string(),
  })
  .openapi("StatsProfile");

const Task = z
  .object({
    id: Uuid,
    status: z.enum(["PENDING", "PROCESSING", "DONE", "FAILED"]),
    document_url: z.string().optional().openapi({ description: "Present when DONE; good for 15 minutes" }),
    error: z.string().optional().openapi({ description: "Present when FAILED" }),
  })
  .openapi("StatsTask");

const result = <T extends z.ZodType>(schema: T) => z.object({ result: schema });

export const register = createRoute({
  method: "post",
  path: "/api/auth/register",
  tags,
  summary: "Register without a password; answers the refresh token that the account lives by",
  request: body(ProfileInput.extend({ invitation: z.string().optional() })),
  responses: {
    200: answer(result(z.object({ refresh_token: z.string() })), "Registered"),
    ...failures(ApiError, 400, 403, 409, 413, 415, 503),
  },
});

export const issueAccessToken = createRoute({
  method: "post",
  path: "/api/auth/issue-access-token",
  tags,
  security: TOKEN,
  summary: "Issue an access token for the refresh token in the Authorization header",
  responses: {
    200: answer(result(z.object({ access_token: z.string() })), "Issued"),
    ...failures(ApiError, 401, 503),
  },
});

export const getMyself = createRoute({
  method: "get",
  path: "/api/users/myself",
  tags,
  security: TOKEN,
  summary: "Get your profile",
  responses: { 200: answer(result(Profile), "Your profile"), ...failures(ApiError, 401, 503) },
});

export const putMyself = createRoute({
  method: "put",
  path: "/api/users/myself",
  tags,
  security: TOKEN,
  summary: "Replace your profile; an absent avatar is removed",
  request: body(ProfileInput),
  responses: {
    200: answer(result(Profile), "Your new profile"),
    ...failures(ApiError, 400, 401, 403, 409, 413, 415, 503),
  },
});

export const getUsers = createRoute({
  method: "get",
  path: "/api/users",
  tags,
  security: TOKEN,
  summary: "Get profiles by usernames; unknown ones are left out",
  request: {
    query: z.object({
      usernames: z
        .string()
        .transform((list) => list.split(",").filter((name) => name.trim() !== ""))
        .refine((names) => names.length <= MAX_USERNAMES, `at most ${MAX_USERNAMES} usernames at a time`)
        .openapi({ type: "string", example: "random_user,xXx__WINNER__xXx" }),
    }),
  },
  responses: {
    200: answer(result(z.object({ users: z.array(Profile) })), "The profiles"),
    ...failures(ApiError, 400, 401, 503),
  },
});

export const createTask = createRoute({
  method: "post",
  path: "/api/stats/{username}",
  tags,
  security: TOKEN,
  summary: "Ask for a user's statistics document",
  request: { params: z.object({ username: z.string().openapi({ example: "xXx__WINNER__xXx" }) }) },
  responses: {
    200: answer(result(z.object({ id: Uuid })), "The task's id; the task is stored"),
    ...failures(ApiError, 401, 404, 503),
  },
});

const taskId = { params: z.object({ id: z.string().openapi({ format: "uuid" }) }) };

export const getTask = createRoute({
  method: "get",
  path: "/api/stats/tasks/{id}",
  tags,
  security: TOKEN,
  summary: "Check a task; for who asked, its subject, and admins",
  request: taskId,
  responses: { 200: answer(result(Task), "The task"), ...failures(ApiError, 401, 404, 503) },
});

export const watchTask = createRoute({
  method: "get",
  path: "/api/stats/tasks/{id}/events",
  tags,
  security: TOKEN,
  summary: "Watch a task: server-sent events, each with the task as its data, until it ends",
  request: taskId,
  responses: {
    200: { description: "The stream", content: { "text/event-stream": { schema: z.string() } } },
    ...failures(ApiError, 401, 404, 503),
  },
});
