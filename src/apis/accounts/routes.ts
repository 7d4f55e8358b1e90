import { OpenAPIHono } from "@hono/zod-openapi";
import type { Core } from "../../domain/core.ts";
import type { Env } from "../../http/context.ts";
import { jsonBody, refuseInvalid, refuseLimited } from "../../http/input.ts";
import type { Origins } from "../../http/origins.ts";
import { unknownRoute } from "../../http/unknown-route.ts";
import { apiErrors } from "../api-errors.ts";

/** What no other API answers under /api is answered here, in this API's error shape. */
export function createAccountsApi(core: Core, _origins: Origins): OpenAPIHono<Env> {
  const app = new OpenAPIHono<Env>({ strict: false, defaultHook: refuseInvalid });
  app.onError(apiErrors(core.log));
  app.use(refuseLimited(), jsonBody());
  app.notFound(unknownRoute(app));
  return app;
}
