import type { OpenAPIHono } from "@hono/zod-openapi";
import * as accounts from "../../domain/accounts.ts";
import * as audit from "../../domain/audit.ts";
import type { Core } from "../../domain/core.ts";
import * as directory from "../../domain/directory.ts";
import * as erasure from "../../domain/erasure.ts";
import * as groups from "../../domain/groups.ts";
import * as invitations from "../../domain/invitations.ts";
import * as roles from "../../domain/roles.ts";
import * as tasks from "../../domain/tasks.ts";
import type { Env } from "../../http/context.ts";
import type { Origins } from "../../http/origins.ts";
import { paged, pageOf } from "../../http/paging.ts";
import { authenticated } from "../../http/token.ts";
import * as contract from "./admin-contract.ts";
import * as wire from "./admin-wire.ts";

const NO_STORE = { "Cache-Control": "no-store" };

export function addAdminRoutes(app: OpenAPIHono<Env>, core: Core, origins: Origins): void {
  app.openapi(contract.listRoles, async function listRoles(c) {
    const { account } = await authenticated(core, origins, c);
    const page = c.req.valid("query");
    return c.json(paged(await roles.list(core, account, pageOf(page)), page, wire.role), 200, NO_STORE);
  });

  app.openapi(contract.createRole, async function createRole(c) {
    const { account } = await authenticated(core, origins, c);
    const role = await roles.create(core, account, c.req.valid("json"), c.env.address());
    return c.json(wire.role(role), 201, NO_STORE);
  });

  app.openapi(contract.putRole, async function putRole(c) {
    const { account } = await authenticated(core, origins, c);
    const id = numberOf(c.req.valid("param").id);
    const role = await roles.change(core, account, id, c.req.valid("json"), c.env.address());
    return c.json(wire.role(role), 200, NO_STORE);
  });

  app.openapi(contract.deleteRole, async function deleteRole(c) {
    const { account } = await authenticated(core, origins, c);
    await roles.remove(core, account, numberOf(c.req.valid("param").id), c.env.address());
    return c.body(null, 204);
  });

  app.openapi(contract.listGroups, async function listGroups(c) {
    const { account } = await authenticated(core, origins, c);
    const page = c.req.valid("query");
    return c.json(paged(await groups.list(core, account, pageOf(page)), page, wire.group), 200, NO_STORE);
  });

  app.openapi(contract.createGroup, async function createGroup(c) {
    const { account } = await authenticated(core, origins, c);
    const group = await groups.create(core, account, c.req.valid("json"), c.env.address());
    return c.json(wire.group(group), 201, NO_STORE);
  });

  app.openapi(contract.putGroup, async function putGroup(c) {
    const { account } = await authenticated(core, origins, c);
    const id = numberOf(c.req.valid("param").id);
    const group = await groups.change(core, account, id, c.req.valid("json"), c.env.address());
    return c.json(wire.group(group), 200, NO_STORE);
  });

  app.openapi(contract.deleteGroup, async function deleteGroup(c) {
    const { account } = await authenticated(core, origins, c);
    await groups.remove(core, account, numberOf(c.req.valid("param").id), c.env.address());
    return c.body(null, 204);
  });

  app.openapi(contract.getUser, async function getUser(c) {
    const { account } = await authenticated(core, origins, c);
    const user = await directory.getListed(core, account, c.req.valid("param").id, "users.read");
    return c.json(wire.user(user), 200, NO_STORE);
  });

  app.openapi(contract.getUserRoles, async function getUserRoles(c) {
    const { account } = await authenticated(core, origins, c);
    const user = await directory.getByUuid(core, account, c.req.valid("param").id, "roles.manage");
    const now = await roles.listOf(core, account, user);
    return c.json({ data: now.map(wire.role) }, 200, NO_STORE);
  });

  app.openapi(contract.putUserRoles, async function putUserRoles(c) {
    const { account } = await authenticated(core, origins, c);
    const user = await directory.getByUuid(core, account, c.req.valid("param").id, "roles.manage");
    const now = await roles.assign(core, account, user, c.req.valid("json").ids, c.env.address());
    return c.json({ data: now.map(wire.role) }, 200, NO_STORE);
  });

  app.openapi(contract.getUserGroups, async function getUserGroups(c) {
    const { account } = await authenticated(core, origins, c);
    const user = await directory.getByUuid(core, account, c.req.valid("param").id, "roles.manage");
    const now = await groups.listOf(core, account, user);
    return c.json({ data: now.map(wire.group) }, 200, NO_STORE);
  });

  app.openapi(contract.putUserGroups, async function putUserGroups(c) {
    const { account } = await authenticated(core, origins, c);
    const user = await directory.getByUuid(core, account, c.req.valid("param").id, "roles.manage");
    const now = await groups.assign(core, account, user, c.req.valid("json").ids, c.env.address());
    return c.json({ data: now.map(wire.group) }, 200, NO_STORE);
  });

  app.openapi(contract.activateUser, async function activateUser(c) {
    const { account } = await authenticated(core, origins, c);
    const user = await directory.getByUuid(core, account, c.req.valid("param").id, "users.write");
    await accounts.activate(core, account, user.id, c.env.address());
    return c.json({ id: user.uuid, is_active: true as const }, 200, NO_STORE);
  });

  app.openapi(contract.eraseUser, async function eraseUser(c) {
    const { account } = await authenticated(core, origins, c);
    const user = await directory.getByUuid(core, account, c.req.valid("param").id, "users.write");
    await erasure.eraseOther(core, account, user.id, c.env.address());
    return c.body(null, 204);
  });

  app.openapi(contract.listInvitations, async function listInvitations(c) {
    const { account } = await authenticated(core, origins, c);
    const page = c.req.valid("query");
    const found = await invitations.list(core, account, pageOf(page));
    const url = core.settings.publicUrl();
    return c.json(
      paged(found, page, (row) => wire.invitation(row, url)),
      200,
      NO_STORE,
    );
  });

  app.openapi(contract.createInvitation, async function createInvitation(c) {
    const { account } = await authenticated(core, origins, c);
    const { uses, expires_at, role = null } = c.req.valid("json");
    const expiresAt = expires_at ? Date.parse(expires_at) : null;
    const made = await invitations.create(core, account, { uses, expiresAt, role }, c.env.address());
    return c.json(wire.invitation(made, core.settings.publicUrl()), 201, NO_STORE);
  });

  app.openapi(contract.deleteInvitation, async function deleteInvitation(c) {
    const { account } = await authenticated(core, origins, c);
    await invitations.remove(core, account, c.req.valid("param").code, c.env.address());
    return c.body(null, 204);
  });

  app.openapi(contract.listTasks, async function listTasks(c) {
    const { account } = await authenticated(core, origins, c);
    const { status, ...page } = c.req.valid("query");
    return c.json(
      paged(await tasks.list(core, account, status, pageOf(page)), page, wire.task),
      200,
      NO_STORE,
    );
  });

  app.openapi(contract.retryTask, async function retryTask(c) {
    const { account } = await authenticated(core, origins, c);
    const task = await tasks.retry(core, account, c.req.valid("param").id, c.env.address());
    return c.json(wire.task(task), 200, NO_STORE);
  });

  app.openapi(contract.listAudit, async function listAudit(c) {
    const { account } = await authenticated(core, origins, c);
    const { actor, action, ...page } = c.req.valid("query");
    const by = actor === undefined ? null : await directory.getByUuid(core, account, actor, "audit.read");
    const filter = {
      ...(by === null ? {} : { actorId: by.id }),
      ...(action === undefined ? {} : { action }),
    };
    return c.json(
      paged(await audit.list(core, account, filter, pageOf(page)), page, wire.auditEntry),
      200,
      NO_STORE,
    );
  });
}

/** What is no number is nobody's: 0 is never given out. */
const numberOf = (text: string): number => (/^[1-9]\d{0,14}$/.test(text) ? Number(text) : 0);
