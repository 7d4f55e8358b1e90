import type { OpenAPIHono } from "@hono/zod-openapi";

export type Document = ReturnType<OpenAPIHono["getOpenAPI31Document"]>;

export type Operation = {
  readonly operationId?: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly object[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Body;
  readonly responses: Readonly<Record<string, Answer>>;
};

type Parameter = { readonly name: string; readonly in: string; readonly required?: boolean };
type Media = { readonly schema?: object };
type Body = { readonly content?: Readonly<Record<string, Media>> };
export type Answer = Body & { readonly description: string; readonly headers?: object };

/** How an operation that two APIs share is told apart, by "<method> <path>". */
export type Shared = Readonly<Record<string, { readonly summary: string; readonly description: string }>>;

/** Two documents as one. Where both have a path and a method, either form and either answer is described. */
export function merged(one: Document, other: Document, shared: Shared): Document {
  const paths: Record<string, unknown> = { ...one.paths };
  for (const [path, item] of Object.entries(other.paths ?? {})) {
    const operations: Record<string, unknown> = { ...one.paths?.[path] };
    for (const [method, operation] of Object.entries(item)) {
      const known = operations[method];
      operations[method] =
        known === undefined
          ? operation
          : { ...either(known as Operation, operation as Operation), ...shared[`${method} ${path}`] };
    }
    paths[path] = operations;
  }
  const schemas = { ...one.components?.schemas, ...other.components?.schemas };
  return { ...one, paths, components: { ...one.components, schemas } } as Document;
}

function either(one: Operation, other: Operation): Operation {
  const parameters = [...(one.parameters ?? []), ...(other.parameters ?? [])].map(optional);
  const statuses = new Set([...Object.keys(one.responses), ...Object.keys(other.responses)]);
  const titles = [one, other].map(({ tags }) => `${tags?.[0]} API`);
  const requestBody = eitherBody(one.requestBody, other.requestBody, titles);
  return {
    ...one,
    tags: [...new Set([...(one.tags ?? []), ...(other.tags ?? [])])],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(requestBody === undefined ? {} : { requestBody }),
    responses: Object.fromEntries(
      [...statuses].map((status) => [
        status,
        eitherBody(one.responses[status], other.responses[status], titles) ?? { description: "" },
      ]),
    ),
  };
}

/** What one of the forms requires the other does not know; what is part of the path is always there. */
const optional = (given: Parameter): Parameter =>
  given.in === "path" ? given : { ...given, required: false };

function eitherBody<T extends Body>(
  one: T | undefined,
  other: T | undefined,
  titles: readonly string[],
): T | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const schemas = [one, other].map((body) => body.content?.["application/json"]?.schema ?? {});
  if (Bun.deepEquals(schemas[0], schemas[1])) return one;
  const anyOf = schemas.map((schema, index) => ({ title: titles[index], ...schema }));
  return { ...one, content: { "application/json": { schema: { anyOf } } } };
}
