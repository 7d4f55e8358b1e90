import type { Hono } from "hono";
import { RegExpRouter } from "hono/router/reg-exp-router";
import { SmartRouter } from "hono/router/smart-router";
import { TrieRouter } from "hono/router/trie-router";
import type { Env } from "./context.ts";

/** What no route answers. */
export const UNMATCHED = "unmatched";

/** Finds the pattern of the route that answers a request, such as `/users/:id`, for counting by route. */
export function routeNames(app: Hono<Env>): (method: string, path: string) => string {
  const router = new SmartRouter<string>({ routers: [new RegExpRouter(), new TrieRouter()] });
  for (const { method, path } of app.routes) {
    // What runs before every route is no route.
    if (method !== "ALL" && !path.endsWith("*")) router.add(method, path, path);
  }
  return function routeName(method, path) {
    const [matches] = router.match(method === "HEAD" ? "GET" : method, path);
    return matches[0]?.[0] ?? UNMATCHED;
  };
}
