import { z } from "@hono/zod-openapi";
import { Pagination } from "./paging.ts";

// Short forms for the route descriptions of the contracts.

/** An answer with a JSON body. */
export const answer = <T extends z.ZodType>(schema: T, description: string, example?: z.input<T>) => ({
  description,
  content: { "application/json": { schema, ...(example === undefined ? {} : { example }) } },
});

/** A required JSON body. */
export const body = <T extends z.ZodType>(schema: T) => ({
  body: { required: true, content: { "application/json": { schema } } },
});

/** Any string, with one to show. */
export const like = (example: string) => z.string().openapi({ example });

/** A page of a list of the accounts API. */
export const listOf = <T extends z.ZodType>(row: T) =>
  z.object({
    data: z.array(row),
    pagination: Pagination.openapi({ example: { page: 1, limit: 20, total: 45, pages: 3 } }),
  });

export const TOKEN = [{ token: [] }];

/** The failures with these statuses and those that every operation has, all in the API's one error schema. */
export const failures = <T extends z.ZodType, S extends number>(
  schema: T,
  ...statuses: readonly S[]
): Record<S, ReturnType<typeof answer<T>>> =>
  Object.fromEntries(
    [...new Set<number>([...statuses, ...EVERYWHERE])].map((status) => [
      status,
      answer(schema, REASONS[status] ?? "Refused"),
    ]),
  ) as Record<S, ReturnType<typeof answer<T>>>;

const EVERYWHERE = [429, 500, 503];

export const REASONS: Readonly<Record<number, string>> = {
  400: "The input is malformed or invalid",
  401: "The token is missing, invalid, expired or revoked",
  403: "Not permitted",
  404: "Not found",
  409: "Already taken, or not possible in this state",
  413: "The body is too large",
  415: "The body has another content type than the one described",
  422: "Fields that are fine alone contradict each other",
  429: "Too many requests; see Retry-After",
  500: "Something went wrong here; the message names the request's id, which the log knows",
  503: "The server is overloaded; see Retry-After",
};
