import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import { version } from "../package.json";
import * as admin from "./apis/accounts/admin-contract.ts";
import * as auth from "./apis/accounts/auth-contract.ts";
import * as blog from "./apis/accounts/blog-contract.ts";
import * as users from "./apis/accounts/users-contract.ts";
import * as cabinet from "./apis/cabinet/contract.ts";
import * as players from "./apis/players/contract.ts";
import * as stats from "./apis/stats/contract.ts";

type Document = ReturnType<OpenAPIHono["getOpenAPI31Document"]>;
type Operation = {
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly { readonly name: string }[];
  readonly requestBody?: Body;
  readonly responses: Readonly<Record<string, Body>>;
};
type Body = { readonly content?: Readonly<Record<string, { readonly schema: unknown }>> };

const CONTRACTS = [auth, users, blog, admin, stats, players, cabinet];

/** One document of all APIs, made from the schemas that validate. */
export function openApiDocument(): Document {
  const [first, ...others] = CONTRACTS.map(describe);
  if (first === undefined) throw new Error("there is no API to describe");
  return others.reduce(merged, first);
}

function describe(contract: object): Document {
  const app = new OpenAPIHono();
  for (const route of Object.values(contract)) {
    if (isRoute(route)) app.openAPIRegistry.registerPath(route);
  }
  const token = { type: "http", scheme: "bearer", bearerFormat: "JWT" } as const;
  app.openAPIRegistry.registerComponent("securitySchemes", "token", token);
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "Guildhall", version, description: "Several APIs over one core: one account works in all." },
  });
}

const isRoute = (value: unknown): value is RouteConfig =>
  typeof value === "object" && value !== null && "method" in value && "path" in value && "responses" in value;

/** Two documents as one. Where two APIs share a path and a method, either form and either answer is described. */
function merged(one: Document, other: Document): Document {
  const paths: Record<string, unknown> = { ...one.paths };
  for (const [path, item] of Object.entries(other.paths ?? {})) {
    const operations: Record<string, unknown> = { ...one.paths?.[path] };
    for (const [method, operation] of Object.entries(item)) {
      const known = operations[method];
      operations[method] = known === undefined ? operation : either(known as Operation, operation as Operation);
    }
    paths[path] = operations;
  }
  const schemas = { ...one.components?.schemas, ...other.components?.schemas };
  return { ...one, paths, components: { ...one.components, schemas } } as Document;
}

function either(one: Operation, other: Operation): Operation {
  const parameters = [...(one.parameters ?? []), ...(other.parameters ?? [])];
  const statuses = new Set([...Object.keys(one.responses), ...Object.keys(other.responses)]);
  const requestBody = eitherBody(one.requestBody, other.requestBody);
  return {
    ...one,
    summary: `${one.summary}; or: ${other.summary}`,
    tags: [...new Set([...(one.tags ?? []), ...(other.tags ?? [])])],
    ...(parameters.length === 0 ? {} : { parameters: parameters.map((given) => ({ ...given, required: false })) }),
    ...(requestBody === undefined ? {} : { requestBody }),
    responses: Object.fromEntries(
      [...statuses].map((status) => [status, eitherBody(one.responses[status], other.responses[status]) ?? {}]),
    ),
  };
}

function eitherBody(one: Body | undefined, other: Body | undefined): Body | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const schemas = [one, other].flatMap((body) => body.content?.["application/json"]?.schema ?? []);
  const different = [...new Map(schemas.map((schema) => [JSON.stringify(schema), schema])).values()];
  if (different.length < 2) return one;
  return { ...one, content: { "application/json": { schema: { anyOf: different } } } };
}
