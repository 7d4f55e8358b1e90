import { createRoute, z } from "@hono/zod-openapi";
import { isStrong } from "../../domain/credentials.ts";
import { answer, body, failures, like, TOKEN } from "../../http/describe.ts";
import { emailAddress, text } from "../../http/input.ts";
import { ApiError } from "../api-errors.ts";

const tags = ["accounts"];
// What RFC 5321 lets a path hold.
const MAX_EMAIL_CHARACTERS = 254;

export const newPassword = () =>
  z
    .string()
    .refine(
      isStrong,
      "must have 8 to 128 characters with upper and lower case, a digit and a special character",
    )
    .openapi({ example: "SecurePassword123!" });

export const fullName = () =>
  text(2, 100)
    .refine((name) => name.trim().length >= 2, "is blank")
    .openapi({ example: "John Doe" });
const email = () => emailAddress().openapi({ example: "user@example.com" });
// The cabinet API takes addresses that this one does not, and their owners forget passwords too.
const anyAddress = () =>
  z
    .string()
    // The bound first, and a pattern without a choice: zod looks at a pattern also when the bound is exceeded.
    .refine(
      (value) => value.length <= MAX_EMAIL_CHARACTERS && /^[^\s@]+@[^\s@]+$/.test(value),
      "Invalid email address",
    )
    .openapi({ example: "user@example.com" });
const Uuid = z.uuid().openapi({ example: "550e8400-e29b-41d4-a716-446655440000" });
const Time = z.string().openapi({ format: "date-time", example: "2026-04-14T10:30:00Z" });
const Message = z.object({ message: z.string() }).openapi("Message");

const JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9...";
const Tokens = z
  .object({
    access_token: like(JWT),
    refresh_token: like(JWT),
    token_type: z.literal("Bearer"),
    expires_in: z.literal(86_400).openapi({ description: "Seconds until the access token expires" }),
  })
  .openapi("Tokens");

export const register = createRoute({
  method: "post",
  path: "/api/auth/register",
  tags,
  summary: "Register with a password (without one it is the stats API's form)",
  request: body(
    z.object({
      email: email(),
      password: newPassword(),
      full_name: fullName(),
      username: text(1, 256).optional().openapi({ description: "Else it is taken from the e-mail address" }),
      invitation: z.string().optional(),
    }),
  ),
  responses: {
    201: answer(
      z.object({
        data: z.object({
          id: Uuid,
          email: like("user@example.com"),
          full_name: like("John Doe").nullable(),
          created_at: Time,
        }),
        message: z.literal("User registered successfully"),
      }),
      "Registered",
    ),
    ...failures(ApiError, 400, 403, 409, 413, 415, 429, 503),
  },
});

export const login = createRoute({
  method: "post",
  path: "/api/auth/login",
  tags,
  summary: "Sign in with an e-mail address or a username",
  request: body(
    z
      .object({
        email: z.string().optional().openapi({ example: "user@example.com" }),
        username: z.string().optional(),
        password: like("SecurePassword123!"),
      })
      .refine((form) => form.email !== undefined || form.username !== undefined, {
        path: ["email"],
        message: "email or username is required",
      }),
  ),
  responses: {
    200: answer(
      Tokens.extend({
        user: z.object({
          id: Uuid,
          email: like("user@example.com"),
          full_name: like("John Doe").nullable(),
          roles: z.array(z.string()).openapi({ example: ["user"] }),
        }),
      }).openapi("Login"),
      "Signed in",
    ),
    ...failures(ApiError, 400, 401, 403, 413, 415, 429, 503),
  },
});

export const refresh = createRoute({
  method: "post",
  path: "/api/auth/refresh",
  tags,
  summary: "Exchange a refresh token for new tokens; each is good once",
  request: body(z.object({ refresh_token: like(JWT) })),
  responses: { 200: answer(Tokens, "New tokens"), ...failures(ApiError, 400, 401, 413, 415, 429, 503) },
});

export const logout = createRoute({
  method: "post",
  path: "/api/auth/logout",
  tags,
  security: TOKEN,
  summary: "End this session",
  responses: {
    200: answer(Message, "Ended", { message: "Logged out successfully" }),
    ...failures(ApiError, 401, 403, 429, 503),
  },
});

export const forgotPassword = createRoute({
  method: "post",
  path: "/api/auth/forgot-password",
  tags,
  summary: "Mail a link that sets a new password; answers the same for an unknown address",
  request: body(z.object({ email: anyAddress() })),
  responses: {
    200: answer(
      z.object({ message: like("Password reset email sent"), email: like("user@example.com") }),
      "If there is such an account, it was mailed",
    ),
    ...failures(ApiError, 400, 413, 415, 429, 503),
  },
});

export const resetPassword = createRoute({
  method: "post",
  path: "/api/auth/reset-password",
  tags,
  summary: "Set a new password with a mailed token; ends every session",
  request: body(
    z.object({
      token: like("reset-token-from-email"),
      password: newPassword(),
      confirm_password: like("SecurePassword123!"),
    }),
  ),
  responses: {
    200: answer(
      z.object({ message: like("Password reset successfully"), redirect: like("https://example.com/login") }),
      "Set",
    ),
    ...failures(ApiError, 400, 413, 415, 422, 429, 503),
  },
});

export const changePassword = createRoute({
  method: "post",
  path: "/api/auth/change-password",
  tags,
  security: TOKEN,
  summary: "Change the password; ends the other sessions",
  request: body(
    z.object({
      current_password: like("OldPassword123!"),
      password: newPassword(),
      confirm_password: like("SecurePassword123!"),
    }),
  ),
  responses: {
    200: answer(Message, "Changed", { message: "Password changed successfully" }),
    ...failures(ApiError, 400, 401, 403, 413, 415, 422, 429, 503),
  },
});

export const verifyEmail = createRoute({
  method: "post",
  path: "/api/auth/verify-email",
  tags,
  summary: "Confirm an e-mail address with a mailed token",
  request: body(z.object({ token: like("token-from-email") })),
  responses: {
    200: answer(Message, "Confirmed", { message: "Email verified successfully" }),
    ...failures(ApiError, 400, 413, 415, 429, 503),
  },
});

const Session = z
  .object({
    id: Uuid,
    created_at: Time,
    last_used_at: Time,
    address: like("203.0.113.7"),
    user_agent: like("Mozilla/5.0 (X11; Linux x86_64; rv:124.0) Gecko/20100101 Firefox/124.0").nullable(),
    browser: like("Firefox 124.0").nullable(),
    current: z.boolean().openapi({ example: true }),
  })
  .openapi("Session");

export const listSessions = createRoute({
  method: "get",
  path: "/api/auth/sessions",
  tags,
  security: TOKEN,
  summary: "Your living sessions of all APIs, the last used first",
  responses: {
    200: answer(z.object({ data: z.array(Session) }), "The sessions"),
    ...failures(ApiError, 401, 429, 503),
  },
});

export const revokeSession = createRoute({
  method: "delete",
  path: "/api/auth/sessions/{id}",
  tags,
  security: TOKEN,
  summary: "End one of your sessions, at once",
  request: { params: z.object({ id: z.string() }) },
  responses: { 204: { description: "Ended" }, ...failures(ApiError, 401, 403, 404, 429, 503) },
});

export const revokeOtherSessions = createRoute({
  method: "delete",
  path: "/api/auth/sessions",
  tags,
  security: TOKEN,
  summary: "End all your sessions but this one",
  responses: { 204: { description: "Ended" }, ...failures(ApiError, 401, 403, 429, 503) },
});
