import type { OpenAPIHono } from "@hono/zod-openapi";
import * as accounts from "../../domain/accounts.ts";
import type { Core } from "../../domain/core.ts";
import * as directory from "../../domain/directory.ts";
import * as erasure from "../../domain/erasure.ts";
import { exportOf } from "../../domain/export.ts";
import type { Env } from "../../http/context.ts";
import { jsonObjectStream } from "../../http/json-stream.ts";
import type { Origins } from "../../http/origins.ts";
import { paged, pageOf } from "../../http/paging.ts";
import { authenticated } from "../../http/token.ts";
import * as contract from "./users-contract.ts";
import * as wire from "./wire.ts";

const NO_STORE = { "Cache-Control": "no-store" };

export function addUsersRoutes(app: OpenAPIHono<Env>, core: Core, origins: Origins): void {
  app.openapi(contract.getMe, async function getMe(c) {
    const { account } = await authenticated(core, origins, c);
    return c.json(wire.me(account), 200, NO_STORE);
  });

  app.openapi(contract.exportMe, async function exportMe(c) {
    const { account } = await authenticated(core, origins, c);
    return jsonObjectStream(exportOf(core, account), {
      ...NO_STORE,
      "Content-Disposition": 'attachment; filename="guildhall-export.json"',
    }) as never;
  });

  app.openapi(contract.eraseMe, async function eraseMe(c) {
    const { account, session } = await authenticated(core, origins, c);
    const proof = { ...c.req.valid("json"), sessionId: session.id, address: c.env.address() };
    await erasure.eraseSelf(core, account, proof);
    return c.body(null, 204);
  });

  app.openapi(contract.listUsers, async function listUsers(c) {
    const { account } = await authenticated(core, origins, c);
    const { search, is_active, sort, ...page } = c.req.valid("query");
    const found = await directory.list(core, account, { search, isActive: is_active, sort }, pageOf(page));
    return c.json(paged(found, page, wire.listedUser), 200, NO_STORE);
  });

  app.openapi(contract.getUser, async function getUser(c) {
    const { account } = await authenticated(core, origins, c);
    const user = await directory.getListed(core, account, c.req.valid("param").id, "users.read");
    return c.json(wire.user(user), 200, NO_STORE);
  });

  app.openapi(contract.putUser, async function putUser(c) {
    const { account } = await authenticated(core, origins, c);
    const user = await directory.getByUuid(core, account, c.req.valid("param").id, "users.write");
    const input = c.req.valid("json");
    const changes = {
      ...given("fullName", input.full_name),
      ...given("avatarUrl", input.avatar_url),
      ...given("location", input.location),
      ...given("phoneNumber", input.phone_number),
      ...given("timezone", input.timezone),
      ...given("language", input.language),
      ...given("company", input.company),
      ...given("email", input.email),
      ...given("username", input.username),
      ...given("emailVisible", input.email_visible),
    };
    const changed = await accounts.update(core, account, user.id, changes, c.env.address());
    return c.json(wire.changedUser(changed), 200, NO_STORE);
  });

  app.openapi(contract.deleteUser, async function deleteUser(c) {
    const { account } = await authenticated(core, origins, c);
    const user = await directory.getByUuid(core, account, c.req.valid("param").id, "users.write");
    await accounts.deactivate(core, account, user.id, c.env.address());
    return c.body(null, 204);
  });
}

/** The field under its name in the domain, if it was sent. */
const given = <Name extends string, Value>(name: Name, value: Value | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { readonly [N in Name]?: Value };
