import { createRoute, z } from "@hono/zod-openapi";
import { USER_SORTS } from "../../domain/directory.ts";
import { answer, body, failures, like, listOf, TOKEN } from "../../http/describe.ts";
import { emailAddress, text, webUrl } from "../../http/input.ts";
import { pageQuery } from "../../http/paging.ts";
import { ApiError } from "../api-errors.ts";
import { fullName } from "./auth-contract.ts";

const tags = ["accounts"];
const MAX_SEARCH_CHARACTERS = 200;
const Uuid = z.uuid().openapi({ example: "550e8400-e29b-41d4-a716-446655440000" });
const Time = z.string().openapi({ format: "date-time", example: "2026-04-14T10:30:00Z" });
const yes = z.boolean().openapi({ example: true });
const id = { params: z.object({ id: z.string().openapi({ format: "uuid" }) }) };

const profile = {
  id: Uuid,
  email: like("user@example.com"),
  full_name: like("John Doe").nullable(),
  avatar_url: like("https://cdn.example.com/avatar.jpg").nullable(),
  location: like("San Francisco, USA").nullable(),
  phone_number: like("+1-555-0123").nullable(),
  timezone: like("America/Los_Angeles").nullable(),
  language: like("en").nullable(),
  company: like("Tech Corp").nullable(),
};

const Me = z
  .object({
    ...profile,
    is_active: yes,
    email_verified: yes,
    created_at: Time,
    updated_at: Time,
  })
  .openapi("Me");

export const getMe = createRoute({
  method: "get",
  path: "/api/users/me",
  tags,
  security: TOKEN,
  summary: "Get your profile",
  responses: { 200: answer(Me, "Your profile"), ...failures(ApiError, 401, 429, 503) },
});

export const exportMe = createRoute({
  method: "get",
  path: "/api/users/me/export",
  tags,
  security: TOKEN,
  summary: "Everything that is stored about you, as JSON",
  responses: {
    200: answer(
      z
        .record(z.string(), z.unknown())
        .openapi({ example: { roles: ["user"], groups: [], posts: [], comments: [] } }),
      "Everything",
    ),
    ...failures(ApiError, 401, 429, 503),
  },
});

export const eraseMe = createRoute({
  method: "post",
  path: "/api/users/me/erase",
  tags,
  security: TOKEN,
  summary: "Erase your account and what you left, for good",
  description:
    "At once: every session ends, nobody can sign in, profile, e-mail address and names are gone, and the username is free. Within seconds, or minutes where it was much: posts with the comments under them, comments, likes, chat messages, games, and documents with their files. An account without a password (of the stats API) sends its username as `confirm` instead.",
  request: body(
    z.object({ password: like("SecurePassword123!").optional(), confirm: like("username").optional() }),
  ),
  responses: {
    204: { description: "Erased; what is left elsewhere follows" },
    ...failures(ApiError, 400, 401, 403, 413, 415, 429, 503),
  },
});

export const listUsers = createRoute({
  method: "get",
  path: "/api/users",
  tags,
  security: TOKEN,
  summary: "List users; for administrators. With `usernames` it is the stats API's look-up",
  request: {
    query: z.object({
      ...pageQuery(20),
      search: text(0, MAX_SEARCH_CHARACTERS)
        .optional()
        .openapi({ description: "In e-mail addresses and names" }),
      is_active: z
        .enum(["true", "false"])
        .transform((value) => value === "true")
        .optional()
        .openapi({ type: "boolean" }),
      sort: z
        .string()
        .refine(
          (value) => USER_SORTS.some((field) => field === value.replace(/^-/, "")),
          "is no field to sort by",
        )
        .default("-created_at")
        .openapi({ description: `${USER_SORTS.join(", ")}; with - before it the largest first` }),
    }),
  },
  responses: {
    200: answer(
      listOf(
        z.object({
          id: Uuid,
          email: profile.email,
          full_name: profile.full_name,
          is_active: yes,
          created_at: Time,
        }),
      ),
      "A page of users",
    ),
    ...failures(ApiError, 400, 401, 403, 429, 503),
  },
});

export const getUser = createRoute({
  method: "get",
  path: "/api/users/{id}",
  tags,
  security: TOKEN,
  summary: "Get a user; for administrators and the user",
  request: id,
  responses: {
    200: answer(
      Me.extend({
        last_login_at: Time.nullable(),
        login_count: z.number().int().openapi({ example: 42 }),
      }).openapi("User"),
      "The user",
    ),
    ...failures(ApiError, 401, 403, 404, 429, 503),
  },
});

const isTimezone = (value: string): boolean => {
  try {
    new Intl.DateTimeFormat("en", { timeZone: value });
    return !/^[+-]/.test(value);
  } catch {
    return false;
  }
};

const isLanguage = (value: string): boolean => {
  try {
    return Intl.getCanonicalLocales(value).length === 1;
  } catch {
    return false;
  }
};

export const putUser = createRoute({
  method: "put",
  path: "/api/users/{id}",
  tags,
  security: TOKEN,
  summary: "Change the fields that are sent; null clears one. For administrators and the user",
  request: {
    ...id,
    ...body(
      z
        .object({
          full_name: fullName().optional(),
          avatar_url: webUrl().nullable().optional(),
          location: text(1, 200).nullable().optional(),
          phone_number: z
            .string()
            .regex(/^(?=.*\d)[\d +()-]{3,32}$/, "has digits, spaces and +-() only")
            .nullable()
            .optional(),
          timezone: z.string().max(64).refine(isTimezone, "is no IANA time zone").nullable().optional(),
          language: z.string().max(35).refine(isLanguage, "is no language tag").nullable().optional(),
          company: text(1, 200).nullable().optional(),
          email: emailAddress().optional(),
          username: text(1, 256).optional(),
          email_visible: z
            .boolean()
            .optional()
            .openapi({ description: "Show the address in public look-ups" }),
        })
        .openapi({
          example: {
            full_name: "Jane Doe",
            avatar_url: "https://cdn.example.com/new-avatar.jpg",
            location: "New York, USA",
            phone_number: "+1-555-0456",
            timezone: "America/New_York",
            language: "en",
            company: "New Corp",
          },
        }),
    ),
  },
  responses: {
    200: answer(z.object({ ...profile, updated_at: Time }).openapi("ChangedUser"), "The changed user"),
    ...failures(ApiError, 400, 401, 403, 404, 409, 413, 415, 429, 503),
  },
});

export const deleteUser = createRoute({
  method: "delete",
  path: "/api/users/{id}",
  tags,
  security: TOKEN,
  summary: "Deactivate a user; for administrators and the user",
  request: id,
  responses: { 204: { description: "Deactivated" }, ...failures(ApiError, 401, 403, 404, 429, 503) },
});
