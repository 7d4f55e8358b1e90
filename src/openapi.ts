import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import { version } from "../package.json";
import * as players from "./apis/players/contract.ts";
import * as stats from "./apis/stats/contract.ts";

type Document = ReturnType<OpenAPIHono["getOpenAPI31Document"]>;

const CONTRACTS = [stats, players];

/** One document of all APIs, made from the schemas that validate. */
export function openApiDocument(): Document {
  const described = new OpenAPIHono();
  for (const contract of CONTRACTS) {
    for (const route of Object.values(contract)) {
      if (isRoute(route)) described.openAPIRegistry.registerPath(route);
    }
  }
  described.openAPIRegistry.registerComponent("securitySchemes", "token", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
  });
  return described.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Guildhall",
      version,
      description: "Several APIs over one core: one account works in all.",
    },
  });
}

const isRoute = (value: unknown): value is RouteConfig =>
  typeof value === "object" && value !== null && "method" in value && "path" in value && "responses" in value;
