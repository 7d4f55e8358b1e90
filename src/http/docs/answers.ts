import { REASONS } from "../describe.ts";
import type { Answer, Document, Operation } from "./merge.ts";

// What is the same for every answer of every API is described once and referred to.

const integer = (description: string) => ({ description, schema: { type: "integer" } });

const HEADERS = {
  "X-Request-ID": {
    description: "The id of this request in the log: the caller's own if it sent one, else a new one",
    schema: { type: "string" },
  },
  "X-RateLimit-Limit": integer("How many requests the window allows"),
  "X-RateLimit-Remaining": integer("How many of them are left"),
  "X-RateLimit-Reset": integer("When the window ends, in seconds since 1970"),
  "Retry-After": integer("After how many seconds to try again"),
} as const;

const RETRY_STATUSES = ["202", "429", "503"];

/** The document with the headers that every answer carries, and with each API's failures as components. */
export function withSharedAnswers(document: Document): Document {
  const failures: Record<string, Answer> = {};

  function referred(status: string, given: Answer): object {
    const names = Object.keys(HEADERS).filter(
      (name) => name !== "Retry-After" || RETRY_STATUSES.includes(status),
    );
    const headers = Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
    const full = { ...given, headers: { ...given.headers, ...headers } };
    const name = failureName(status, given);
    if (name === null) return full;
    failures[name] ??= full;
    return Bun.deepEquals(failures[name], full) ? { $ref: `#/components/responses/${name}` } : full;
  }

  const paths = mapOperations(document, (method, operation) => ({
    ...operation,
    responses: Object.fromEntries(
      Object.entries(responsesOf(method, operation)).map(([status, given]) => [
        status,
        referred(status, given),
      ]),
    ),
  }));
  const components = { ...document.components, headers: HEADERS, responses: failures };
  return { ...document, paths, components } as Document;
}

/** A change that the cookie signs is refused to another site's page, in the words of every API. */
function responsesOf(method: string, { security, responses }: Operation): Operation["responses"] {
  const { 503: failure } = responses;
  if (security === undefined || method === "get" || failure === undefined) return responses;
  return { 403: { ...failure, description: REASONS[403] ?? "" }, ...responses };
}

/** "ApiError404" of a failure whose body is one named schema. */
function failureName(status: string, { content }: Answer): string | null {
  const schema = content?.["application/json"]?.schema;
  const isNamed = schema !== undefined && "$ref" in schema && typeof schema.$ref === "string";
  return Number(status) >= 400 && isNamed ? `${String(schema.$ref).split("/").at(-1)}${status}` : null;
}

function mapOperations(document: Document, change: (method: string, operation: Operation) => object): object {
  return Object.fromEntries(
    Object.entries(document.paths ?? {}).map(([path, item]) => [
      path,
      Object.fromEntries(
        Object.entries(item).map(([method, operation]) => [method, change(method, operation as Operation)]),
      ),
    ]),
  );
}
