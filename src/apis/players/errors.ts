import type { ErrorHandler } from "hono";
import type { Env } from "../../http/context.ts";
import { asFailure, failureHeaders } from "../../http/failures.ts";
import type { Log } from "../../log.ts";
import { STATUS } from "../statuses.ts";

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
