import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import * as admin from "./apis/accounts/admin-contract.ts";
import * as auth from "./apis/accounts/auth-contract.ts";
import * as blog from "./apis/accounts/blog-contract.ts";
import * as users from "./apis/accounts/users-contract.ts";
import * as cabinet from "./apis/cabinet/contract.ts";
import * as chat from "./apis/chat/contract.ts";
import * as players from "./apis/players/contract.ts";
import * as stats from "./apis/stats/contract.ts";
import { withSharedAnswers } from "./http/docs/answers.ts";
import { type Document, merged, type Shared } from "./http/docs/merge.ts";
import { version } from "./version.ts";

/** A route's operationId is this name and that of its export: `statsCreateTask`. Clients are generated from them. */
const CONTRACTS: readonly (readonly [name: string, contract: object])[] = [
  ["accounts", auth],
  ["accounts", users],
  ["blog", blog],
  ["admin", admin],
  ["stats", stats],
  ["players", players],
  ["cabinet", cabinet],
  ["chat", chat],
];

const TAGS = [
  { name: "accounts", description: "Sign-up with a password, tokens, sessions, and the users themselves." },
  { name: "blog", description: "Posts and the comments on them." },
  {
    name: "administration",
    description: "Roles, groups, invitations, tasks and the audit log, each for who has the permission.",
  },
  {
    name: "stats",
    description: "Accounts without a password that live by a refresh token, and statistics documents.",
  },
  { name: "players", description: "Players, their counters, their games and their PDF." },
  { name: "cabinet", description: "The personal account with its groups, roles and permissions." },
  { name: "chat", description: "Sign-in by cookie, rooms, WebSockets, history and moderation." },
];

const SHARED: Shared = {
  "post /api/auth/register": {
    summary: "Register, with a password or without one",
    description:
      "Two forms share this address. A body with `password` is the accounts API's: it answers 201 with the new user, who then signs in. A body with `username` and no `password` is the stats API's: it answers 200 with the refresh token that the account lives by. Anything else is answered as the first form.",
  },
  "get /api/users": {
    summary: "List users, or look profiles up by their usernames",
    description:
      "Two look-ups share this address. With `usernames`, a list separated by commas, it is the stats API's, for anybody signed in: it answers the profiles, and leaves unknown names out; no other parameter counts. Without `usernames` it is the accounts API's list, which takes the other parameters and is for administrators.",
  },
};

const INFO = {
  title: "Guildhall",
  version,
  description: "Several APIs over one core: an account made through one signs in through every other.",
};

const BEARER = {
  type: "http",
  scheme: "bearer",
  bearerFormat: "JWT",
  description:
    "An access token, also taken without the word Bearer or from the cookie `jwt`. Where an operation says so, a refresh token.",
} as const;

let made: Document | undefined;

/** One document of all APIs, made once from the schemas that validate. */
export function openApiDocument(): Document {
  made ??= withSharedAnswers(
    CONTRACTS.map(([name, contract]) => describe(routesOf(name, contract))).reduce((one, other) =>
      merged(one, other, SHARED),
    ),
  );
  return made;
}

/** Every route that a contract describes, under its operationId. */
export function describedRoutes(): readonly RouteConfig[] {
  return CONTRACTS.flatMap(([name, contract]) => routesOf(name, contract));
}

/** The document of these routes alone. */
export function describe(routes: readonly RouteConfig[]): Document {
  const app = new OpenAPIHono();
  for (const route of routes) app.openAPIRegistry.registerPath(route);
  app.openAPIRegistry.registerComponent("securitySchemes", "token", BEARER);
  return app.getOpenAPI31Document({ openapi: "3.1.0", info: INFO, servers: [{ url: "/" }], tags: TAGS });
}

const routesOf = (name: string, contract: object): RouteConfig[] =>
  Object.entries(contract).flatMap(([key, route]) =>
    isRoute(route)
      ? [{ ...route, operationId: `${name}${key.slice(0, 1).toUpperCase()}${key.slice(1)}` }]
      : [],
  );

const isRoute = (value: unknown): value is RouteConfig =>
  typeof value === "object" && value !== null && "method" in value && "path" in value && "responses" in value;
