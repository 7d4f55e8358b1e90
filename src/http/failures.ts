import { HTTPException } from "hono/http-exception";
import { asDatabaseError } from "../../db/open.ts";
import { DomainError, type ErrorCode } from "../domain/errors.ts";
import type { Log } from "../log.ts";

/** What only HTTP can refuse. */
type RequestErrorCode =
  | "malformedJson"
  | "unsupportedMediaType"
  | "bodyTooLarge"
  | "invalidInput"
  | "routeNotFound"
  | "methodNotAllowed"
  | "upgradeRequired"
  | "crossOrigin"
  | "databaseFailed"
  | "internal";

/** Everything that an API has to have an answer for. */
export type FailureCode = ErrorCode | RequestErrorCode;

export type InputIssue = {
  /** The name of the field, or "body" for the whole. */
  readonly field: string;
  readonly message: string;
  readonly missing: boolean;
  /** Absent where it must not be echoed. */
  readonly value?: unknown;
};

export class RequestError extends Error {
  override readonly name = "RequestError";
  constructor(
    readonly code: RequestErrorCode,
    message: string,
    readonly details: { readonly issue?: InputIssue; readonly allow?: string } = {},
  ) {
    super(message);
  }
}

/** A failure as an API spells it: what went wrong, in words for the client, and what the headers need. */
export type Failure = {
  readonly code: FailureCode;
  readonly message: string;
  readonly field?: string;
  readonly issue?: InputIssue;
  readonly retryAfterSeconds?: number;
  readonly allow?: string;
};

const BUSY_RETRY_SECONDS = 5;

/** Any thrown thing as a failure. What is unknown is logged whole and told in a fixed sentence. */
export function asFailure(error: unknown, requestId: string, log: Log): Failure {
  if (error instanceof DomainError) {
    return { code: error.code, message: error.message, ...error.details };
  }
  if (error instanceof RequestError) {
    return { code: error.code, message: error.message, ...error.details };
  }
  if (error instanceof HTTPException && error.status === 400) {
    return { code: "malformedJson", message: "The body is not valid JSON." };
  }
  const database = asDatabaseError(error);
  if (
    database !== null &&
    database.kind !== "unique" &&
    database.kind !== "foreignKey" &&
    database.kind !== "check"
  ) {
    log.error({ err: error, requestId }, "the database did not answer");
    return {
      code: "unavailable",
      message: "The server cannot do this right now. Try again shortly.",
      retryAfterSeconds: BUSY_RETRY_SECONDS,
    };
  }
  log.error({ err: error, requestId }, "a request failed");
  if (database !== null) {
    return {
      code: "databaseFailed",
      message: `The database refused this. Please report request ${requestId}.`,
    };
  }
  return { code: "internal", message: `Something went wrong. Please report request ${requestId}.` };
}

/** The headers that belong to a failure, whatever its dialect. */
export function failureHeaders(failure: Failure, status: number): Record<string, string> {
  return {
    "Cache-Control": "no-store",
    ...(failure.retryAfterSeconds === undefined ? {} : { "Retry-After": String(failure.retryAfterSeconds) }),
    ...(failure.allow === undefined ? {} : { Allow: failure.allow }),
    ...(status === 401 ? { "WWW-Authenticate": "Bearer" } : {}),
  };
}
