import type { ErrorHandler } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Env } from "../../http/context.ts";
import { asFailure, type FailureCode, failureHeaders } from "../../http/failures.ts";
import type { Log } from "../../log.ts";
import { STATUS } from "../statuses.ts";

// "Code 400 - User form input error", "Code 403 - Request data is incorrect": well-formed and refused.
const CABINET_STATUS = {
  ...STATUS,
  credentialsInvalid: 403,
  usernameTaken: 403,
  emailTaken: 403,
  nameTaken: 403,
  fieldsContradict: 400,
  mailedSecretInvalid: 403,
} as const satisfies Record<FailureCode, ContentfulStatusCode>;

/** Errors as this API's document has them: {"errorMessage"}. */
export const cabinetErrors =
  (log: Log): ErrorHandler<Env> =>
  (error, c) => {
    const failure = asFailure(error, c.env.id, log);
    const status = CABINET_STATUS[failure.code];
    return c.json({ errorMessage: failure.message }, status, failureHeaders(failure, status));
  };
