import type { Core } from "../src/domain/core.ts";
import { readiness } from "../src/http/health.ts";
import { isPassedOn, serveMetrics } from "../src/http/metrics.ts";
import { CommandError } from "../src/run.ts";

export type StandingOptions = {
  readonly core: Core;
  readonly host: string;
  readonly port: number;
  readonly metricsToken: string | null;
  readonly isStopping: () => boolean;
};

/** Tells how a worker process is, at /healthz, /readyz and /metrics as a server does. */
export function tellStanding(options: StandingOptions) {
  try {
    return listen(options);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(`Cannot listen on ${options.host}:${options.port} (WORKER_PORT): ${reason}`);
  }
}

function listen({ core, host, port, metricsToken, isStopping }: StandingOptions) {
  return Bun.serve({
    hostname: host,
    port,
    development: false,
    reusePort: false,
    async fetch(request, server) {
      const { method, headers } = request;
      if (method !== "GET" && method !== "HEAD") {
        return new Response(null, { status: 405, headers: { Allow: "GET, HEAD" } });
      }
      const path = pathOf(request);
      if (path === "/healthz") return Response.json({ status: "alive" });
      if (path === "/readyz") return readiness(core, isStopping, WORKER_NEEDS);
      if (path !== "/metrics") return new Response(null, { status: 404 });
      const address = server.requestIP(request)?.address ?? "unknown";
      const authorization = headers.get("Authorization");
      const caller = { address, isUnvouched: isPassedOn(headers), authorization };
      return serveMetrics(core, { token: metricsToken }, caller, 0);
    },
  });
}

/** Whatever the Host header says, of which Bun makes no URL. */
const pathOf = ({ url }: Request): string =>
  url
    .replace(/^[a-z]+:\/\/[^/]*/, "")
    .replace(/[?#].*$/, "")
    .replace(/(.)\/+$/, "$1");

// It sends no mails, and has no sockets.
const WORKER_NEEDS = ["database", "queue", "documents"] as const;
