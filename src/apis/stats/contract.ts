import { createRoute, z } from "@hono/zod-openapi";
import { answer, body, failures, like, TOKEN } from "../../http/describe.ts";
import { emailAddress, text, webUrl } from "../../http/input.ts";
import { ApiError } from "../api-errors.ts";

const MAX_USERNAMES = 100;
const tags = ["stats"];

const TaskId = z.uuid().openapi({ example: "179c089a-827e-4436-a251-843131baa1e0" });

const ProfileInput = z.object({
  username: text(1, 256).openapi({ example: "random_user" }),
  email: emailAddress().openapi({ example: "wowowow.gmail@gmail.com" }),
  avatar: webUrl().optional().openapi({ example: "https://images.google.com/" }),
  sex: text(1, 64).openapi({ example: "male" }),
});

const Profile = z
  .object({
    id: z.uuid().openapi({ example: "4cb81bf5-4520-4861-85d2-ec7ceb744115" }),
    username: like("xXx__WINNER__xXx"),
    avatar: like("https://images.google.com/").optional(),
    sex: like("male"),
    email: like("wowowow.gmail@gmail.com"),
  })
  .openapi("StatsProfile");

const Task = z
  .object({
    id: TaskId,
    status: z.enum(["PENDING", "PROCESSING", "DONE", "FAILED"]),
    document_url: z.string().optional().openapi({ description: "Present when DONE; good for 15 minutes" }),
    error: z.string().optional().openapi({ description: "Present when FAILED" }),
  })
  .openapi("StatsTask", {
    example: {
      id: "179c089a-827e-4436-a251-843131baa1e0",
      status: "DONE",
      document_url:
        "https://storage.yandexcloud.net/soa-stats/stats-179c089a-827e-4436-a251-843131baa1e0.pdf",
    },
  });

const result = <T extends z.ZodType>(schema: T) => z.object({ result: schema });

export const register = createRoute({
  method: "post",
  path: "/api/auth/register",
  tags,
  summary: "Register without a password; answers the refresh token that the account lives by",
  request: body(ProfileInput.extend({ invitation: z.string().optional() })),
  responses: {
    200: answer(result(z.object({ refresh_token: like("eyJhbG...refresh") })), "Registered"),
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
    200: answer(result(z.object({ access_token: like("eyJhbG...access") })), "Issued"),
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
    200: answer(result(z.object({ id: TaskId })), "The task's id; the task is stored"),
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
