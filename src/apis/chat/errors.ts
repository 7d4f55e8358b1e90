import type { ErrorHandler } from "hono";
import type { Env } from "../../http/context.ts";
import { asFailure, failureHeaders } from "../../http/failures.ts";
import type { Log } from "../../log.ts";
import { STATUS } from "../statuses.ts";

/** Errors as this API's document has them: {"error"}. */
export const chatErrors =
  (log: Log): ErrorHandler<Env> =>
  (error, c) => {
    const failure = asFailure(error, c.env.id, log);
    const status = STATUS[failure.code];
    const headers = failureHeaders(failure, status);
    return c.json(
      { error: failure.message },
      status,
      status === 426 ? { ...headers, Upgrade: "websocket" } : headers,
    );
  };
