import type { OpenAPIHono } from "@hono/zod-openapi";
import { createAccountsApi } from "./apis/accounts/routes.ts";
import { createCabinetApi } from "./apis/cabinet/routes.ts";
import { createPlayersApi } from "./apis/players/routes.ts";
import { createStatsApi } from "./apis/stats/routes.ts";
import type { VerifyLink } from "./compose.ts";
import type { Core } from "./domain/core.ts";
import { type AddressOf, network } from "./http/address.ts";
import { serveAvatar } from "./http/avatar.ts";
import type { Env, RequestInfo } from "./http/context.ts";
import { serveDocs } from "./http/docs.ts";
import { serveDocument } from "./http/documents.ts";
import { readiness } from "./http/health.ts";
import { MAX_BODY_BYTES } from "./http/input.ts";
import { landingPage } from "./http/landing-page.ts";
import type { Origins } from "./http/origins.ts";
import { createRateLimiter, type Limits, type Verdict } from "./http/rate-limit.ts";
import { requestId } from "./http/request-id.ts";
import { subjectOf } from "./http/token.ts";
import { openApiDocument } from "./openapi.ts";

export type AppOptions = {
  readonly core: Core;
  readonly origins: Origins;
  readonly addressOf: AddressOf;
  readonly verifyLink: VerifyLink;
  /** Null: limits are off. */
  readonly limits?: Limits | null;
  /** True once the process has been told to end. */
  readonly isStopping?: () => boolean;
};

const BUCKETS: Readonly<Record<string, keyof Limits>> = {
  "/api/auth/register": "register",
  "/users": "register",
  "/account/registration": "register",
  "/api/users/signup": "register",
  "/api/auth/login": "signIn",
  "/login": "signIn",
  "/account/login": "signIn",
  "/api/users/signin": "signIn",
  "/api/auth/forgot-password": "forgotPassword",
};

/** The addresses that people open in a browser; no API path is among them. */
const PAGES = /^\/($|(login|reset-password|verify-email)$|(chat|players|blog|profile|admin)(\/|$))/;

/** What the app needs of Bun's server. */
export type Peer = {
  requestIP(request: Request): { readonly address: string } | null;
  timeout(request: Request, seconds: number): void;
};

export type App = { fetch(request: Request, peer: Peer): Promise<Response> };

type Api = OpenAPIHono<Env>;

function createApis(core: Core, origins: Origins) {
  return {
    accounts: createAccountsApi(core, origins),
    stats: createStatsApi(core, origins),
    players: createPlayersApi(core, origins),
    cabinet: createCabinetApi(core, origins),
  } as const satisfies Record<string, Api>;
}

/** The map: which API answers which request. Chosen before anything else, so failures come out in its dialect. */
export function createApp(options: AppOptions): App {
  const { core, origins, addressOf, verifyLink, isStopping = () => false } = options;
  const apis = createApis(core, origins);
  const limiter = options.limits ? createRateLimiter(core, options.limits) : null;
  const openApi = JSON.stringify(openApiDocument());

  function apiOf(method: string, path: string, url: URL, body: unknown): Api | null {
    if (path.startsWith("/api/")) {
      if (path.startsWith("/api/stats/") || path === "/api/users/myself") return apis.stats;
      if (path === "/api/auth/issue-access-token") return apis.stats;
      if (path === "/api/users" && method === "GET" && url.searchParams.has("usernames")) return apis.stats;
      if (path === "/api/auth/register" && method === "POST" && isStatsForm(body)) return apis.stats;
      return apis.accounts;
    }
    if (path === "/users" || path.startsWith("/users/")) return apis.players;
    if (/^\/(account|info)(\/|$)/.test(path)) return apis.cabinet;
    if (path === "/login" && method !== "GET" && method !== "HEAD") return apis.players;
    return path === "/api" ? apis.accounts : null;
  }

  async function outsideApis(method: string, path: string, url: URL): Promise<Response> {
    if (method !== "GET" && method !== "HEAD") return unknownPage(path);
    if (path === "/healthz") return Response.json({ status: "alive" });
    if (path === "/readyz") return readiness(core, isStopping);
    if (path === "/openapi.json")
      return new Response(openApi, { headers: { "Content-Type": "application/json" } });
    if (PAGES.test(path)) return landingPage();
    if (path.startsWith("/documents/") && verifyLink !== null) return serveDocument(core, verifyLink, url);
    return unknownPage(path);
  }

  /** Registration, sign-in and forgotten passwords count by address; all else by account where one is signed in. */
  async function limited(request: Request, info: RequestInfo, path: string): Promise<Verdict | null> {
    if (limiter === null) return null;
    const bucket = (request.method === "POST" && BUCKETS[path]) || "requests";
    const account = bucket === "requests" ? subjectOf(core, request.headers) : null;
    return limiter.consume(bucket, account ?? network(info.address()));
  }

  async function answer(request: Request, info: RequestInfo, url: URL, path: string): Promise<Response> {
    const preflight = origins.preflight(request);
    if (preflight !== null) return preflight;
    const { method } = request;
    if (path.startsWith("/avatars/")) return serveAvatar(core, path, request);
    if (/^\/docs(\/|$)/.test(path)) return (await serveDocs(path, request)) ?? unknownPage(path);
    const isRegistration = path === "/api/auth/register" && method === "POST";
    const [sent, body] = isRegistration ? await peekJson(request) : [request, null];
    const api = apiOf(method, path, url, body);
    if (api === null) return outsideApis(method, path, url);
    const verdict = await limited(request, info, path);
    const response = await api.fetch(sent, {
      ...info,
      retryAfterSeconds: verdict?.retryAfterSeconds ?? null,
    });
    if (verdict !== null) {
      response.headers.set("X-RateLimit-Limit", String(verdict.limit));
      response.headers.set("X-RateLimit-Remaining", String(verdict.remaining));
      response.headers.set("X-RateLimit-Reset", String(verdict.resetAt));
    }
    return response;
  }

  return {
    async fetch(request, peer) {
      const startedAt = performance.now();
      const id = requestId(request.headers);
      const url = new URL(request.url);
      const path = url.pathname.length > 1 ? url.pathname.replace(/\/+$/, "") : url.pathname;
      const info: RequestInfo = {
        id,
        address: () =>
          addressOf(peer.requestIP(request)?.address ?? "unknown", request.headers.get("X-Forwarded-For")),
        idleTimeout: (seconds) => peer.timeout(request, seconds),
        retryAfterSeconds: null,
      };
      let response: Response;
      try {
        response = await answer(request, info, url, path);
      } catch (error) {
        // Only what no API was asked for can come here, or what is no Error at all.
        core.log.error({ err: error, requestId: id }, "a request failed");
        response = internalError(id);
      }
      response.headers.set("X-Request-ID", id);
      response.headers.set("X-Content-Type-Options", "nosniff");
      origins.allow(request, response);
      const ms = Math.round((performance.now() - startedAt) * 100) / 100;
      // The path without its query: that may hold a signature.
      core.log.info(
        { requestId: id, method: request.method, path: url.pathname, status: response.status, ms },
        "request",
      );
      return response;
    },
  };
}

/** The two registration forms share a path: with a password it is the accounts form. */
function isStatsForm(body: unknown): boolean {
  return typeof body === "object" && body !== null && !("password" in body) && "username" in body;
}

/** A copy of the request and what its JSON says; a body that is too large or no JSON is left to the API. */
async function peekJson(request: Request): Promise<[Request, unknown]> {
  if (Number(request.headers.get("Content-Length") ?? Number.POSITIVE_INFINITY) > MAX_BODY_BYTES) {
    return [request, null];
  }
  const bytes = await request.arrayBuffer();
  const copy = new Request(request.url, { method: request.method, headers: request.headers, body: bytes });
  try {
    return [copy, JSON.parse(new TextDecoder().decode(bytes))];
  } catch {
    return [copy, null];
  }
}

const unknownPage = (path: string) =>
  Response.json(
    { error: { code: "NOT_FOUND", message: `There is nothing at ${path.slice(0, 200)}.` } },
    { status: 404 },
  );

const internalError = (id: string) =>
  Response.json(
    { error: { code: "INTERNAL_ERROR", message: `Something went wrong. Please report request ${id}.` } },
    { status: 500 },
  );
