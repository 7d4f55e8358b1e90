import type { Hono, NotFoundHandler } from "hono";
import { TrieRouter } from "hono/router/trie-router";
import type { Env } from "./context.ts";
import { RequestError } from "./failures.ts";

const ANY = "ANY";

/** For an API's notFound, once its routes are declared: 405 with `Allow` on a known path, else 404. */
export function unknownRoute(app: Hono<Env>): NotFoundHandler<Env> {
  const methodsOf = new Map<string, Set<string>>();
  for (const { method, path } of app.routes) {
    // What stands before all routes is none.
    if (method !== "ALL" && path !== "/*")
      methodsOf.set(path, (methodsOf.get(path) ?? new Set()).add(method));
  }
  const paths = new TrieRouter<Set<string>>();
  for (const [path, methods] of methodsOf) paths.add(ANY, path, methods);
  return function answerUnknownRoute(c) {
    const path = c.req.path.length > 1 ? c.req.path.replace(/\/$/, "") : c.req.path;
    // Narrow paths are declared first: /users/leaderboard is not to answer for /users/{id}.
    const methods = new Set(paths.match(ANY, path)[0][0]?.[0]);
    if (methods.has("GET")) methods.add("HEAD");
    if (methods.size === 0) throw new RequestError("routeNotFound", "There is nothing at this address.");
    const allow = [...methods].sort().join(", ");
    throw new RequestError("methodNotAllowed", `${c.req.method} is not possible here, only ${allow}.`, {
      allow,
    });
  };
}
