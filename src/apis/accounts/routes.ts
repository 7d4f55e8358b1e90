import { OpenAPIHono } from "@hono/zod-openapi";
import type { Core } from "../../domain/core.ts";
import type { PostViews } from "../../domain/post-views.ts";
import type { Env } from "../../http/context.ts";
import { refuseInvalid, requireJson } from "../../http/input.ts";
import type { Origins } from "../../http/origins.ts";
import { unknownRoute } from "../../http/unknown-route.ts";
import { apiErrors } from "../api-errors.ts";
import { addAdminRoutes } from "./admin-routes.ts";
import { addAuthRoutes } from "./auth-routes.ts";
import { addBlogRoutes } from "./blog-routes.ts";
import { addUsersRoutes } from "./users-routes.ts";

/** Sign-up, tokens, users, administration and the blog; also whatever no other API answers under /api. */
export function createAccountsApi(core: Core, origins: Origins, views: PostViews): OpenAPIHono<Env> {
  const app = new OpenAPIHono<Env>({ strict: false, defaultHook: refuseInvalid });
  app.onError(apiErrors(core.log));
  requireJson(app);
  addBlogRoutes(app, core, origins, views);
  addAuthRoutes(app, core, origins);
  addUsersRoutes(app, core, origins);
  addAdminRoutes(app, core, origins);
  app.notFound(unknownRoute(app));
  return app;
}
