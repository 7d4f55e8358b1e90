import { RequestError } from "./failures.ts";

export interface Origins {
  /** Throws `crossOrigin` when a browser says that another site's page is behind the request. */
  requireOwn(headers: Headers): void;
  /** Answers a preflight request of an allowed origin; null when it is none. */
  preflight(request: Request): Response | null;
  /** Lets the page of an allowed origin read the answer. */
  allow(request: Request, response: Response): void;
}

export type OriginsOptions = {
  readonly publicUrl: string;
  readonly port: number;
  readonly allowed: readonly string[];
  /** The address that is listened on; any, when absent. */
  readonly host?: string;
};

const MAX_PREFLIGHT_AGE_SECONDS = 600;

// Addresses at which this machine reaches us by its own names.
const LOCAL = /^(localhost|127(\.\d+){1,3}|0\.0\.0\.0|\[?::1?\]?)$/i;

/**
 * Our own origins: that of the public address, and this machine's names on our port where they lead to us, not to
 * somebody else's server. `Host` is never trusted.
 */
export function createOrigins({ publicUrl, port, allowed, host = "0.0.0.0" }: OriginsOptions): Origins {
  const others = new Set(allowed);
  const own = new Set([
    new URL(publicUrl).origin,
    ...(LOCAL.test(host) ? ["localhost", "127.0.0.1", "[::1]"] : []).map(
      (name) => new URL(`http://${name}:${port}`).origin,
    ),
  ]);

  return {
    requireOwn(headers) {
      const origin = headers.get("Origin");
      const known = origin === null || own.has(origin) || others.has(origin);
      const crossSite =
        headers.get("Sec-Fetch-Site") === "cross-site" && !(origin !== null && others.has(origin));
      if (!known || crossSite) {
        throw new RequestError("crossOrigin", "This request came from another site's page.");
      }
    },

    preflight(request) {
      if (request.method !== "OPTIONS" || !request.headers.has("Access-Control-Request-Method")) return null;
      if (!others.has(request.headers.get("Origin") ?? "")) return null;
      return new Response(null, {
        status: 204,
        headers: {
          "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
          "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Request-ID, browser",
          "Access-Control-Max-Age": String(MAX_PREFLIGHT_AGE_SECONDS),
        },
      });
    },

    allow(request, response) {
      if (others.size === 0) return;
      response.headers.append("Vary", "Origin");
      const origin = request.headers.get("Origin");
      if (origin === null || !others.has(origin)) return;
      response.headers.set("Access-Control-Allow-Origin", origin);
      response.headers.set("Access-Control-Allow-Credentials", "true");
      response.headers.set(
        "Access-Control-Expose-Headers",
        "X-Request-ID, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After",
      );
    },
  };
}
