import type { Hook } from "@hono/zod-openapi";
import { z } from "@hono/zod-openapi";
import type { Hono, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Env } from "./context.ts";
import { RequestError } from "./failures.ts";

export const MAX_BODY_BYTES = 64 * 1024;

const tooLarge = () =>
  new RequestError("bodyTooLarge", `The body is larger than ${MAX_BODY_BYTES / 1024} KiB.`);

const WITH_BODY = ["POST", "PUT", "PATCH", "DELETE"];

/** Declares that a body of any request must be JSON of at most MAX_BODY_BYTES. */
export function requireJson(app: Hono<Env>): void {
  app.on(WITH_BODY, "*", jsonBody());
}

function jsonBody(): MiddlewareHandler<Env> {
  // Counts a body of unknown length while it arrives; a known length is refused before a byte is read.
  const counting = bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: () => {
      throw tooLarge();
    },
  });
  return async function checkJsonBody(c, next) {
    const length = c.req.header("Content-Length");
    const chunked = c.req.header("Transfer-Encoding") !== undefined;
    if (!chunked && (length === undefined || length === "0")) return next();
    if (Number(length ?? 0) > MAX_BODY_BYTES) throw tooLarge();
    const type = c.req.header("Content-Type") ?? "";
    if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type)) {
      throw new RequestError(
        "unsupportedMediaType",
        "The body must be JSON, with Content-Type: application/json.",
      );
    }
    return chunked ? counting(c, next) : next();
  };
}

// Never told back: a mistyped password is still nearly the password.
const SECRET_FIELD = /password|token/i;
const MAX_ECHOED_CHARACTERS = 200;

/** Turns what the schema refuses into one RequestError about the first field that is wrong. */
export const refuseInvalid: Hook<unknown, Env, string, unknown> = (result) => {
  if (result.success) return;
  const [issue] = result.error.issues;
  const field = issue?.path.map(String).join(".") || "body";
  const value = issue === undefined ? undefined : valueAt(result, issue.path);
  const missing = value === undefined && field !== "body";
  throw new RequestError("invalidInput", missing ? `${field} is required.` : `${field}: ${issue?.message}`, {
    issue: {
      field,
      missing,
      message: issue?.message ?? "",
      ...(missing || field === "body" || !isEchoed(field, value) ? {} : { value }),
    },
  });
};

function isEchoed(field: string, value: unknown): boolean {
  if (value === undefined || SECRET_FIELD.test(field)) return false;
  return typeof value !== "string" || value.length <= MAX_ECHOED_CHARACTERS;
}

/** zod leaves the input out of its issues; the validator passes the whole as `data` beside the error. */
function valueAt(result: object, path: readonly PropertyKey[]): unknown {
  let value: unknown = "data" in result ? result.data : undefined;
  for (const key of path) {
    value = typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
  }
  return value;
}

/** Text without NUL and lone surrogates, which databases and PDFs cannot keep. */
export const text = (minCharacters: number, maxCharacters: number) =>
  z
    .string()
    .min(minCharacters)
    .max(maxCharacters)
    .refine(
      (value) => value.isWellFormed() && !value.includes("\0"),
      "holds characters that cannot be stored",
    );

const MAX_URL_CHARACTERS = 2_048;

/** An http(s) address. It is stored and told back, never fetched. */
export const webUrl = () =>
  z
    .string()
    .max(MAX_URL_CHARACTERS)
    .refine(
      (value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) && value.isWellFormed(),
      "must be an http or https address",
    );

// What RFC 5321 lets a path hold.
const MAX_EMAIL_CHARACTERS = 254;

export const emailAddress = () => z.email().max(MAX_EMAIL_CHARACTERS);

/** A whole number in a query, e.g. `?limit=`. */
export const queryInteger = (min: number, max: number) =>
  z
    .string()
    .regex(min < 0 ? /^-?\d{1,16}$/ : /^\d{1,16}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.number().int().min(min).max(max));
