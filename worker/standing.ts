import type { Core } from "../src/domain/core.ts";
import { readiness } from "../src/http/health.ts";
import { serveMetrics } from "../src/http/metrics.ts";

export type StandingOptions = {
  readonly core: Core;
  readonly host: string;
  readonly port: number;
  readonly metricsToken: string | null;
  readonly isStopping: () => boolean;
};

/** Tells how a worker process is, at /healthz, /readyz and /metrics as a server does. Throws when it cannot listen. */
export function tellStanding({ core, host, port, metricsToken, isStopping }: StandingOptions) {
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
      const { pathname } = new URL(request.url);
      if (pathname === "/healthz") return Response.json({ status: "alive" });
      if (pathname === "/readyz") return readiness(core, isStopping, WORKER_NEEDS);
      if (pathname !== "/metrics") return new Response(null, { status: 404 });
      const address = server.requestIP(request)?.address ?? "unknown";
      const isUnvouched = headers.has("X-Forwarded-For") || headers.has("Forwarded");
      const authorization = headers.get("Authorization");
      return serveMetrics(core, { token: metricsToken }, { address, isUnvouched, authorization }, 0);
    },
  });
}

// It sends no mails, and has no sockets.
const WORKER_NEEDS = ["database", "queue", "documents"] as const;
