import { OpenAPIHono } from "@hono/zod-openapi";
import * as accounts from "../../domain/accounts.ts";
import type { Core } from "../../domain/core.ts";
import { contactsVisibleTo } from "../../domain/privacy.ts";
import * as sessions from "../../domain/sessions.ts";
import * as tasks from "../../domain/tasks.ts";
import type { Env } from "../../http/context.ts";
import { refuseInvalid, requireJson } from "../../http/input.ts";
import type { Origins } from "../../http/origins.ts";
import { authenticated, clientOf } from "../../http/token.ts";
import { unknownRoute } from "../../http/unknown-route.ts";
import { apiErrors } from "../api-errors.ts";
import * as contract from "./contract.ts";
import { createTaskEvents } from "./task-events.ts";
import * as wire from "./wire.ts";

const NO_STORE = { "Cache-Control": "no-store" };

/** Profiles and asynchronous statistics documents. */
export function createStatsApi(
  core: Core,
  origins: Origins,
  isLeaving: () => boolean = () => false,
): OpenAPIHono<Env> {
  const app = new OpenAPIHono<Env>({ strict: false, defaultHook: refuseInvalid });
  const taskEvents = createTaskEvents(core, isLeaving);
  app.onError(apiErrors(core.log));
  requireJson(app);

  app.openapi(contract.register, async function register(c) {
    const { username, email, avatar = null, sex, invitation } = c.req.valid("json");
    const { account, sessionId } = await accounts.registerAndSignIn(
      core,
      { username, email, password: null, origin: "stats", profile: { sex, avatarUrl: avatar }, invitation },
      clientOf(c),
    );
    const refresh_token = sessions.statsRefreshToken(core, account.uuid, sessionId);
    return c.json({ result: { refresh_token } }, 200, NO_STORE);
  });

  app.openapi(contract.issueAccessToken, async function issueAccessToken(c) {
    const { account, session } = await authenticated(core, origins, c, "stats-refresh");
    const access_token = sessions.accessToken(core, account.uuid, session.id);
    return c.json({ result: { access_token } }, 200, NO_STORE);
  });

  app.openapi(contract.getMyself, async function getMyself(c) {
    const { account } = await authenticated(core, origins, c);
    return c.json({ result: wire.profile(account, account.email) }, 200, NO_STORE);
  });

  app.openapi(contract.putMyself, async function putMyself(c) {
    const { account } = await authenticated(core, origins, c);
    const { username, email, avatar = null, sex } = c.req.valid("json");
    const changed = await accounts.update(core, account, account.id, {
      username,
      email,
      avatarUrl: avatar,
      sex,
    });
    return c.json({ result: wire.profile(changed, changed.email) }, 200, NO_STORE);
  });

  app.openapi(contract.getUsers, async function getUsers(c) {
    const { account } = await authenticated(core, origins, c);
    const found = await accounts.listByUsernames(core, c.req.valid("query").usernames);
    const isVisible = await contactsVisibleTo(core, account);
    const users = found.map((other) => wire.profile(other, isVisible(other) ? other.email : ""));
    return c.json({ result: { users } }, 200, NO_STORE);
  });

  app.openapi(contract.getTask, async function getTask(c) {
    const { account } = await authenticated(core, origins, c);
    const task = await tasks.get(core, account, c.req.valid("param").id);
    return c.json({ result: await wire.task(core, task) }, 200, NO_STORE);
  });

  app.openapi(contract.watchTask, async function watchTask(c) {
    const { id } = c.req.valid("param");
    const read = async () => tasks.get(core, (await authenticated(core, origins, c)).account, id);
    return taskEvents.open(c, await read(), read);
  });

  app.openapi(contract.createTask, async function createTask(c) {
    const { account } = await authenticated(core, origins, c);
    const id = await tasks.create(core, account, c.req.valid("param").username, c.env.id);
    return c.json({ result: { id } }, 200, NO_STORE);
  });

  app.notFound(unknownRoute(app));
  return app;
}
