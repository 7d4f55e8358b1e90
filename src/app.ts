import { Context, type ErrorHandler, type Hono } from "hono";
import { getPath } from "hono/utils/url";
import { createAccountsApi } from "./apis/accounts/routes.ts";
import { apiErrors } from "./apis/api-errors.ts";
import { cabinetErrors } from "./apis/cabinet/errors.ts";
import { createCabinetApi } from "./apis/cabinet/routes.ts";
import { chatErrors } from "./apis/chat/errors.ts";
import { createChatApi } from "./apis/chat/routes.ts";
import { createSockets, type Sockets, type Topics } from "./apis/chat/sockets.ts";
import { playersErrors } from "./apis/players/errors.ts";
import { createPlayersApi } from "./apis/players/routes.ts";
import { createStatsApi } from "./apis/stats/routes.ts";
import type { VerifyLink } from "./compose.ts";
import type { Core } from "./domain/core.ts";
import { DomainError } from "./domain/errors.ts";
import { createPostViews, type PostViews } from "./domain/post-views.ts";
import { type AddressOf, network } from "./http/address.ts";
import { serveAvatar } from "./http/avatar.ts";
import type { Env, RequestInfo, Upgrade } from "./http/context.ts";
import { serveDocs } from "./http/docs.ts";
import { serveDocument } from "./http/documents.ts";
import { createFairTurns } from "./http/fair-turns.ts";
import { readiness, takesRequests } from "./http/health.ts";
import { MAX_BODY_BYTES } from "./http/input.ts";
import { isPassedOn, type MetricsAccess, serveMetrics } from "./http/metrics.ts";
import type { Origins } from "./http/origins.ts";
import { servePage } from "./http/pages.ts";
import { createRateLimiter, type Limits, type Verdict } from "./http/rate-limit.ts";
import { requestId } from "./http/request-id.ts";
import { routeNames, UNMATCHED } from "./http/route-names.ts";
import { subjectOf } from "./http/token.ts";
import { type RequestLog, requestLogOf } from "./log.ts";
import { openApiDocument } from "./openapi.ts";

export type AppOptions = {
  readonly core: Core;
  readonly origins: Origins;
  readonly addressOf: AddressOf;
  readonly verifyLink: VerifyLink;
  /** Tells many sockets at once. */
  readonly topics: Topics;
  /** Null: limits are off. */
  readonly limits?: Limits | null;
  /** Where the line of each request goes; the core's log, when absent. */
  readonly logRequest?: RequestLog;
  /** True once the process has been told to end. */
  readonly isStopping?: () => boolean;
  readonly metrics?: MetricsAccess;
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

const tooMany = (retryAfterSeconds: number) =>
  new DomainError("rateLimited", `Too many requests. Try again in ${retryAfterSeconds} seconds.`, {
    retryAfterSeconds,
  });

const OUTSIDE = /^\/(healthz|readyz(\/self)?|metrics|openapi\.json|docs(\/.*)?|documents\/.+|assets\/.+)$/;

const CHAT_ACCOUNTS = /^\/api\/users\/(signup|signin|logout)$/;

const USERNAMES = /[?&]usernames=/;

/** The addresses that people open in a browser; no API path is among them. */
const PAGES = /^\/($|(login|reset-password|verify-email)$|(chat|players|blog|profile|admin)(\/|$))/;

/** What the app needs of Bun's server. */
export type Peer = {
  requestIP(request: Request): { readonly address: string } | null;
  timeout(request: Request, seconds: number): void;
  upgrade(request: Request, options: Upgrade): boolean;
};

export type App = {
  /** Undefined: the request has become a WebSocket. */
  fetch(request: Request, peer: Peer): Promise<Response | undefined>;
  readonly sockets: Pick<Sockets, "open" | "message" | "close">;
  /** Begins to look for what other nodes do. Call it before sockets are opened. */
  start(): Promise<void>;
  /** Ends streams and closes all sockets, spread over so long. */
  closeSockets(withinMs?: number): Promise<void>;
  /** Stores what is written in batches. Call it when no request is running any more, before the database closes. */
  close(): Promise<void>;
};

type Api = {
  readonly name: string;
  readonly app: Hono<Env>;
  /** How this API spells a failure, also of requests that do not reach it. */
  readonly errors: ErrorHandler<Env>;
  readonly routeOf: ReturnType<typeof routeNames>;
};

type Parts = {
  readonly origins: Origins;
  readonly views: PostViews;
  readonly sockets: Sockets;
  readonly isLeaving: () => boolean;
};

function createApis(core: Core, { origins, views, sockets, isLeaving }: Parts) {
  const api = (name: string, app: Hono<Env>, errors: ErrorHandler<Env>): Api => ({
    name,
    app,
    errors,
    routeOf: routeNames(app),
  });
  return {
    accounts: api("accounts", createAccountsApi(core, origins, views), apiErrors(core.log)),
    stats: api("stats", createStatsApi(core, origins, isLeaving), apiErrors(core.log)),
    players: api("players", createPlayersApi(core, origins), playersErrors(core.log)),
    cabinet: api("cabinet", createCabinetApi(core, origins), cabinetErrors(core.log)),
    chat: api("chat", createChatApi(core, origins, sockets), chatErrors(core.log)),
  };
}

/** The map: which API answers which request. Chosen before anything else, so failures come out in its dialect. */
export function createApp(options: AppOptions): App {
  const { core, origins, addressOf, verifyLink, isStopping = () => false } = options;
  const { metrics = { token: null } } = options;
  const logRequest = options.logRequest ?? requestLogOf(core.log);
  const views = createPostViews(core);
  const sockets = createSockets(core, options.topics);
  let isLeaving = false;
  const apis = createApis(core, { origins, views, sockets, isLeaving: () => isLeaving });
  const limiter = options.limits ? createRateLimiter(core, options.limits) : null;
  const takeTurn = createFairTurns();
  // Made when it is first asked for: it would be a third of the start's time.
  let openApi: string | undefined;

  function apiOf(method: string, path: string, query: string, body: unknown): Api | null {
    if (path.startsWith("/api/")) {
      if (path.startsWith("/api/stats/") || path === "/api/users/myself") return apis.stats;
      if (path === "/api/auth/issue-access-token") return apis.stats;
      if (CHAT_ACCOUNTS.test(path)) return apis.chat;
      if (path === "/api/users" && method === "GET" && USERNAMES.test(query)) return apis.stats;
      if (path === "/api/auth/register" && method === "POST" && isStatsForm(body)) return apis.stats;
      return apis.accounts;
    }
    if (path === "/users" || path.startsWith("/users/")) return apis.players;
    if (/^\/(account|info)(\/|$)/.test(path)) return apis.cabinet;
    if (path === "/ws" || path.startsWith("/ws/")) return apis.chat;
    if (path === "/login" && method !== "GET" && method !== "HEAD") return apis.players;
    return path === "/api" ? apis.accounts : null;
  }

  async function outsideApis(request: Request, info: Running, { path, query }: Target): Promise<Response> {
    const { method } = request;
    const isKnown = OUTSIDE.test(path) || PAGES.test(path);
    if (isKnown && method !== "GET" && method !== "HEAD") return notPossible(method);
    if (method !== "GET" && method !== "HEAD") return unknownPage(path);
    if (path === "/healthz") return Response.json({ status: "alive" });
    if (path === "/readyz") return readiness(core, isStopping);
    if (path === "/readyz/self") return takesRequests(isStopping);
    if (path === "/metrics") {
      const address = info.address();
      const isUnvouched = isPassedOn(request.headers) && address === info.peer();
      const authorization = request.headers.get("Authorization");
      return serveMetrics(core, metrics, { address, isUnvouched, authorization }, sockets.count());
    }
    if (path === "/openapi.json") {
      openApi ??= JSON.stringify(openApiDocument());
      return new Response(openApi, { headers: { "Content-Type": "application/json" } });
    }
    if (PAGES.test(path) || path.startsWith("/assets/")) {
      return (await servePage(path, core.settings.publicUrl(), request)) ?? unknownPage(path);
    }
    if (path.startsWith("/documents/") && verifyLink !== null) {
      return serveDocument(core, verifyLink, path, new URLSearchParams(query));
    }
    return unknownPage(path);
  }

  /** Registration, sign-in and forgotten passwords count by address; all else by account where one is signed in. */
  async function limited(request: Request, info: RequestInfo, path: string): Promise<Verdict | null> {
    if (limiter === null) return null;
    const bucket = (request.method === "POST" && BUCKETS[path]) || "requests";
    const account = bucket === "requests" ? subjectOf(core, request.headers) : null;
    const verdict = await limiter.consume(bucket, account ?? network(info.address()));
    if (verdict.retryAfterSeconds !== null) core.metrics.count("limited", bucket);
    return verdict;
  }

  async function answer(request: Request, info: Running, { path, query }: Target): Promise<Response> {
    const preflight = origins.preflight(request);
    if (preflight !== null) return preflight;
    const { method } = request;
    if (path.startsWith("/avatars/")) return serveAvatar(core, path, request);
    const isRead = method === "GET" || method === "HEAD";
    if (isRead && /^\/docs(\/|$)/.test(path)) return (await serveDocs(path, request)) ?? unknownPage(path);
    const isRegistration = path === "/api/auth/register" && method === "POST";
    const [sent, body] = isRegistration ? await peekJson(request) : [request, null];
    const api = apiOf(method, path, query, body);
    if (api === null) return outsideApis(request, info, { path, query });
    info.api = api;
    const refuse = (error: Error) => api.errors(error, new Context<Env>(request, { env: info, path }));
    let verdict: Verdict | null;
    try {
      verdict = await limited(request, info, path);
    } catch (error) {
      return refuse(error instanceof Error ? error : new Error(String(error)));
    }
    info.limits = verdict === null ? {} : limitHeaders(verdict);
    const retryAfterSeconds = verdict?.retryAfterSeconds ?? null;
    const response = await (retryAfterSeconds === null
      ? api.app.fetch(sent, info)
      : refuse(tooMany(retryAfterSeconds)));
    for (const name in info.limits) response.headers.set(name, info.limits[name] ?? "");
    return response;
  }

  /** One line and one count per request. */
  function told(request: Request, info: Running, { path }: Target, status: number, startedAt: number): void {
    const { method } = request;
    const ms = performance.now() - startedAt;
    // The path without its query: that may hold a signature.
    logRequest({ requestId: info.id, method, path, status, ms: Math.round(ms * 100) / 100 });
    core.metrics.request({
      api: info.api?.name ?? "none",
      method: METHODS.has(method) ? method : "other",
      route: info.api?.routeOf(method, path) ?? routeOutside(path),
      status,
      seconds: ms / 1000,
    });
  }

  return {
    close: () => views.close(),
    sockets,
    start: () => sockets.start(),
    closeSockets(withinMs = 0) {
      isLeaving = true;
      return sockets.stop(withinMs);
    },

    async fetch(received, peer) {
      const request = absolute(received);
      const startedAt = performance.now();
      const turn = takeTurn(startedAt);
      if (turn !== null) await turn;
      const id = requestId(request.headers);
      let isUpgraded = false;
      const target = targetOf(request);
      const peerAddress = () => peer.requestIP(received)?.address ?? "unknown";
      const info: Running = {
        id,
        limits: {},
        api: null,
        peer: peerAddress,
        address: () => addressOf(peerAddress(), request.headers.get("X-Forwarded-For")),
        upgrade({ data, headers }) {
          isUpgraded = peer.upgrade(received, { data, headers: { ...headers, ...info.limits } });
          return isUpgraded;
        },
        idleTimeout: (seconds) => peer.timeout(received, seconds),
      };
      let response: Response;
      try {
        response = await answer(request, info, target);
      } catch (error) {
        // Only what no API was asked for can come here, or what is no Error at all.
        core.log.error({ err: error, requestId: id }, "a request failed");
        response = internalError(id);
      }
      if (isUpgraded) {
        told(request, info, target, 101, startedAt);
        return undefined;
      }
      response.headers.set("X-Request-ID", id);
      response.headers.set("X-Content-Type-Options", "nosniff");
      // What a proxy keeps open would be closed on its next request.
      if (isStopping()) response.headers.set("Connection", "close");
      origins.allow(request, response);
      told(request, info, target, response.status, startedAt);
      return response;
    },
  };
}

/** A request while it is answered. `limits` are the headers that tell what is left. */
type Running = RequestInfo & {
  limits: Readonly<Record<string, string>>;
  /** Who answers it. */
  api: Api | null;
  /** The other end of the connection, which may be a proxy. */
  peer(): string;
};

// What callers write is not to become a name of its own.
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
const FILES = /^\/(docs|documents|assets|avatars)(?=\/|$)/;

const routeOutside = (path: string): string =>
  FILES.exec(path)?.[0] ?? (PAGES.test(path) ? "page" : OUTSIDE.test(path) ? path : UNMATCHED);

const limitHeaders = ({ limit, remaining, resetAt }: Verdict) => ({
  "X-RateLimit-Limit": String(limit),
  "X-RateLimit-Remaining": String(remaining),
  "X-RateLimit-Reset": String(resetAt),
});

/** Without a Host header, as old health checks come, Bun gives the path alone, which is no URL. */
const absolute = (request: Request): Request =>
  request.url.startsWith("/") ? new Request(`http://localhost${request.url}`, request) : request;

type Target = { readonly path: string; readonly query: string };

/** The path without a slash at its end, and the query with its question mark. By hand: URL costs 2 µs. */
function targetOf(request: Request): Target {
  // Decoded as Hono decodes it, so that /api/auth/logi%6e is the same here and there: limits go by it.
  const path = getPath(request);
  const trimmed = path.length > 1 && path.endsWith("/") ? path.replace(/\/+$/, "") : path;
  const mark = request.url.indexOf("?");
  return { path: trimmed === "" ? "/" : trimmed, query: mark === -1 ? "" : request.url.slice(mark) };
}

/** The two registration forms share a path: with a password it is the accounts form. */
function isStatsForm(body: unknown): boolean {
  return typeof body === "object" && body !== null && !("password" in body) && "username" in body;
}

/** A copy of the request and what its JSON says; a body that is too large or no JSON is left to the API. */
async function peekJson(request: Request): Promise<[Request, unknown]> {
  if (Number(request.headers.get("Content-Length") ?? 0) > MAX_BODY_BYTES) return [request, null];
  const bytes = await readUpTo(request, MAX_BODY_BYTES + 1);
  const copy = new Request(request.url, { method: request.method, headers: request.headers, body: bytes });
  try {
    return [copy, JSON.parse(new TextDecoder().decode(bytes))];
  } catch {
    return [copy, null];
  }
}

/** Of a larger body only the beginning, which is still too large for the API. */
async function readUpTo(request: Request, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    chunks.push(chunk);
    length += chunk.byteLength;
    if (length >= most) break;
  }
  return new Uint8Array(Buffer.concat(chunks).subarray(0, most));
}

const notPossible = (method: string) =>
  Response.json(
    { error: { code: "METHOD_NOT_ALLOWED", message: `${method} is not possible here, only GET, HEAD.` } },
    { status: 405, headers: { Allow: "GET, HEAD" } },
  );

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
