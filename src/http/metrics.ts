import { createHash, timingSafeEqual } from "node:crypto";
import { backlog } from "../domain/backlog.ts";
import type { Core } from "../domain/core.ts";

export type MetricsAccess = {
  /** Null: only callers on this machine, since figures say much about a community. */
  readonly token: string | null;
};

export type Caller = {
  readonly address: string;
  /** A proxy passes the request on for somebody, and nobody has said that it is to be believed. */
  readonly isUnvouched: boolean;
  readonly authorization: string | null;
};

const OF_PROXIES = [
  "X-Forwarded-For",
  "Forwarded",
  "Via",
  "X-Real-IP",
  "X-Forwarded-Host",
  "X-Forwarded-Proto",
];

/** Whether some proxy says that the request came through it. */
export const isPassedOn = (headers: Headers): boolean => OF_PROXIES.some((name) => headers.has(name));

// Prometheus waits for ten seconds.
const BACKLOG_MS = 2_000;

/** Prometheus's text format: what this process has counted, and what waits in the whole community. */
export async function serveMetrics(
  core: Core,
  access: MetricsAccess,
  caller: Caller,
  sockets: number,
): Promise<Response> {
  const refused = refusal(access, caller);
  if (refused !== null) return refused;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("no answer in time")), BACKLOG_MS);
  const waiting = await Promise.race([backlog(core), late.promise])
    .catch((error: unknown) => {
      // Without a database there is still much to tell.
      core.log.warn({ err: error }, "what waits could not be counted");
      return {};
    })
    .finally(() => clearTimeout(timer));
  const { contentType, text } = await core.metrics.exposition({
    ...waiting,
    sockets,
    db_queued_writes: core.db.counters().queued,
  });
  return new Response(text, { headers: { "Content-Type": contentType, "Cache-Control": "no-store" } });
}

function refusal({ token }: MetricsAccess, { address, isUnvouched, authorization }: Caller): Response | null {
  if (token === null) {
    return LOOPBACK.test(address) && !isUnvouched
      ? null
      : refuse(403, "FORBIDDEN", "Metrics are told to this machine alone unless METRICS_TOKEN is set.");
  }
  const given = /^bearer\s+(.+)$/i.exec(authorization?.trim() ?? "")?.[1] ?? "";
  // Of equal length, whatever was given.
  if (timingSafeEqual(sha256(given), sha256(token))) return null;
  return refuse(401, "UNAUTHORIZED", "Metrics need the bearer token of METRICS_TOKEN.", {
    "WWW-Authenticate": "Bearer",
  });
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;

const sha256 = (text: string) => createHash("sha256").update(text).digest();

const refuse = (status: number, code: string, message: string, headers = {}) =>
  Response.json({ error: { code, message } }, { status, headers });
