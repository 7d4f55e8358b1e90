import type { ErrorHandler } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Env } from "../../http/context.ts";
import { asFailure, type FailureCode, failureHeaders } from "../../http/failures.ts";
import type { Log } from "../../log.ts";

const STATUS = {
  unauthorized: 401,
  tokenInvalid: 401,
  tokenExpired: 401,
  credentialsInvalid: 401,
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
  usernameTaken: 409,
  emailTaken: 409,
  taskNotFailed: 409,
  nameTaken: 409,
  fieldInvalid: 400,
  fieldsContradict: 422,
  tokenMalformed: 400,
  mailedSecretInvalid: 400,
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

// "If pair of password and username doesn't exist in the system - it will return status code 401", with the same
// words as for a request that lacks one of them (400).
const BAD_LOGIN = "Bad username or password";

/** Errors as this API's document has them: {"success": false, "message"}. */
export const playersErrors =
  (log: Log): ErrorHandler<Env> =>
  (error, c) => {
    const failure = asFailure(error, c.env.id, log);
    const status = STATUS[failure.code];
    const isLogin = c.req.path.replace(/\/+$/, "") === "/login";
    const badLogin = isLogin && (status === 400 || failure.code === "credentialsInvalid");
    const message = badLogin ? BAD_LOGIN : failure.message;
    return c.json({ success: false, message }, status, failureHeaders(failure, status));
  };
