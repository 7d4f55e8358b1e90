import type { Hono, NotFoundHandler } from "hono";
import { TrieRouter } from "hono/router/trie-router";
import type { Env } from "./context.ts";
import { RequestError } from "./failures.ts";

const ANY = "ANY";

/** For an API's notFound, once its routes are declared: 405 with `Allow` on a known path, else 404. */
export function unknownRoute(app: Hono<Env>): NotFoundHandler<Env> {
  const paths = new TrieRouter<string>();
  for (const { method, path } of app.routes) {
    if (method !== "ALL") paths.add(ANY, path, method);
  }
  return function answerUnknownRoute(c) {
    const path = c.req.path.length > 1 ? c.req.path.replace(/\/+$/, "") : c.req.path;
    const methods = new Set(paths.match(ANY, path)[0].map(([method]) => method));
    if (methods.has("GET")) methods.add("HEAD");
    if (methods.size === 0) throw new RequestError("routeNotFound", "There is nothing at this address.");
    const allow = [...methods].sort().join(", ");
    throw new RequestError("methodNotAllowed", `${c.req.method} is not possible here, only ${allow}.`, { allow });
  };
}
