import type { ErrorHandler } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Env } from "../../http/context.ts";
import { asFailure, type FailureCode, failureHeaders } from "../../http/failures.ts";
import type { Log } from "../../log.ts";

// "Code 400 - User form input error", "Code 403 - Request data is incorrect": well-formed and refused.
const STATUS = {
  unauthorized: 401,
  tokenInvalid: 401,
  tokenExpired: 401,
  credentialsInvalid: 403,
  accountInactive: 403,
  forbidden: 403,
  lastAdmin: 403,
  crossOrigin: 403,
  accountNotFound: 404,
  taskNotFound: 404,
  documentNotFound: 404,
  postNotFound: 404,
  commentNotFound: 404,
  sessionNotFound: 404,
  groupNotFound: 404,
  invitationNotFound: 404,
  unknownRole: 404,
  routeNotFound: 404,
  methodNotAllowed: 405,
  usernameTaken: 403,
  emailTaken: 403,
  taskNotFailed: 409,
  nameTaken: 403,
  fieldInvalid: 400,
  fieldsContradict: 400,
  tokenMalformed: 400,
  mailedSecretInvalid: 403,
  registrationClosed: 403,
  invitationInvalid: 403,
  pictureInvalid: 400,
  rateLimited: 429,
  usernameInvalid: 400,
  passwordTooLong: 400,
  passwordTooWeak: 400,
  malformedJson: 400,
  invalidInput: 400,
  bodyTooLarge: 413,
  unsupportedMediaType: 415,
  overloaded: 503,
  unavailable: 503,
  databaseFailed: 500,
  internal: 500,
} as const satisfies Record<FailureCode, ContentfulStatusCode>;

/** Errors as this API's document has them: {"errorMessage"}. */
export const cabinetErrors =
  (log: Log): ErrorHandler<Env> =>
  (error, c) => {
    const failure = asFailure(error, c.env.id, log);
    const status = STATUS[failure.code];
    return c.json({ errorMessage: failure.message }, status, failureHeaders(failure, status));
  };
