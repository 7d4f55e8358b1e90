import { z } from "@hono/zod-openapi";
import type { ErrorHandler } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Env } from "../http/context.ts";
import { asFailure, type Failure, type FailureCode, failureHeaders } from "../http/failures.ts";
import type { Log } from "../log.ts";

// The dialect of the accounts API's document, which everything under /api answers in (but the chat paths):
// {"error": {"code", "message", "details"?}}.

export const ApiError = z
  .object({
    error: z.object({
      code: z.string().openapi({ example: "INVALID_EMAIL_FORMAT" }),
      message: z.string().openapi({ example: "Email format is invalid" }),
      details: z.record(z.string(), z.unknown()).optional(),
      retry_after: z.number().int().optional().openapi({ description: "Seconds; with RATE_LIMIT_EXCEEDED" }),
    }),
  })
  .openapi("ApiError");

const SPELLED = {
  unauthorized: [401, "UNAUTHORIZED"],
  tokenInvalid: [401, "INVALID_TOKEN"],
  tokenExpired: [401, "TOKEN_EXPIRED"],
  credentialsInvalid: [401, "INVALID_CREDENTIALS"],
  accountInactive: [403, "ACCOUNT_INACTIVE"],
  forbidden: [403, "FORBIDDEN"],
  lastAdmin: [403, "FORBIDDEN"],
  crossOrigin: [403, "FORBIDDEN"],
  accountNotFound: [404, "USER_NOT_FOUND"],
  taskNotFound: [404, "TASK_NOT_FOUND"],
  documentNotFound: [404, "DOCUMENT_NOT_FOUND"],
  postNotFound: [404, "POST_NOT_FOUND"],
  commentNotFound: [404, "COMMENT_NOT_FOUND"],
  sessionNotFound: [404, "NOT_FOUND"],
  groupNotFound: [404, "NOT_FOUND"],
  invitationNotFound: [404, "NOT_FOUND"],
  unknownRole: [404, "NOT_FOUND"],
  routeNotFound: [404, "NOT_FOUND"],
  methodNotAllowed: [405, "METHOD_NOT_ALLOWED"],
  usernameTaken: [409, "USERNAME_ALREADY_EXISTS"],
  emailTaken: [409, "EMAIL_ALREADY_EXISTS"],
  taskNotFailed: [409, "TASK_NOT_FAILED"],
  nameTaken: [409, "NAME_ALREADY_EXISTS"],
  fieldInvalid: [400, "VALIDATION_ERROR"],
  fieldsContradict: [422, "VALIDATION_ERROR"],
  tokenMalformed: [400, "MALFORMED_TOKEN"],
  mailedSecretInvalid: [400, "INVALID_RESET_TOKEN"],
  registrationClosed: [403, "REGISTRATION_CLOSED"],
  invitationInvalid: [403, "INVALID_INVITATION"],
  pictureInvalid: [400, "INVALID_AVATAR_FORMAT"],
  roomNotFound: [404, "ROOM_NOT_FOUND"],
  roomTaken: [409, "ROOM_ALREADY_EXISTS"],
  messageNotFound: [404, "MESSAGE_NOT_FOUND"],
  banned: [403, "BANNED"],
  muted: [403, "MUTED"],
  roomReadOnly: [403, "READ_ONLY"],
  slowMode: [429, "SLOW_MODE"],
  tooManySockets: [429, "TOO_MANY_CONNECTIONS"],
  rateLimited: [429, "RATE_LIMIT_EXCEEDED"],
  usernameInvalid: [400, "INVALID_USERNAME_FORMAT"],
  passwordTooLong: [400, "INVALID_PASSWORD_FORMAT"],
  passwordTooWeak: [400, "INVALID_PASSWORD_FORMAT"],
  malformedJson: [400, "INVALID_JSON"],
  invalidInput: [400, "VALIDATION_ERROR"],
  upgradeRequired: [426, "UPGRADE_REQUIRED"],
  bodyTooLarge: [413, "BODY_TOO_LARGE"],
  unsupportedMediaType: [415, "UNSUPPORTED_MEDIA_TYPE"],
  overloaded: [503, "SERVICE_UNAVAILABLE"],
  unavailable: [503, "SERVICE_UNAVAILABLE"],
  databaseFailed: [500, "DATABASE_ERROR"],
  internal: [500, "INTERNAL_ERROR"],
} as const satisfies Record<FailureCode, readonly [ContentfulStatusCode, string]>;

export const apiErrors =
  (log: Log): ErrorHandler<Env> =>
  (error, c) => {
    const failure = asFailure(error, c.env.id, log);
    const [status, code] = SPELLED[failure.code];
    return c.json(
      {
        error: {
          code: codeOf(failure) ?? code,
          message: failure.message,
          ...detailsOf(failure),
          ...(failure.code === "rateLimited" ? { retry_after: failure.retryAfterSeconds } : {}),
        },
      },
      status,
      failureHeaders(failure, status),
    );
  };

/** A field that is wrong by itself has a code of its own: MISSING_EMAIL, INVALID_EMAIL_FORMAT. */
function codeOf({ issue }: Failure): string | null {
  if (issue === undefined) return null;
  const field = issue.field.replace(/[^A-Za-z0-9]+/g, "_").toUpperCase();
  return issue.missing ? `MISSING_${field}` : `INVALID_${field}_FORMAT`;
}

function detailsOf({ issue, field }: Failure) {
  if (issue !== undefined) {
    return { details: { field: issue.field, ...(issue.value === undefined ? {} : { value: issue.value }) } };
  }
  return field === undefined ? {} : { details: { field } };
}
