import type { OpenAPIHono } from "@hono/zod-openapi";
import * as accounts from "../../domain/accounts.ts";
import type { Core } from "../../domain/core.ts";
import * as credentials from "../../domain/credentials.ts";
import { DomainError } from "../../domain/errors.ts";
import * as recovery from "../../domain/recovery.ts";
import * as refreshing from "../../domain/refresh.ts";
import * as roles from "../../domain/roles.ts";
import * as sessions from "../../domain/sessions.ts";
import type { Env } from "../../http/context.ts";
import type { Origins } from "../../http/origins.ts";
import { authenticated, clientOf } from "../../http/token.ts";
import * as contract from "./auth-contract.ts";
import * as wire from "./wire.ts";

const RESET_DELAY_MS = 100;
const NO_STORE = { "Cache-Control": "no-store" };

export function addAuthRoutes(app: OpenAPIHono<Env>, core: Core, origins: Origins): void {
  app.openapi(contract.register, async function register(c) {
    const { email, password, full_name, username = null, invitation } = c.req.valid("json");
    const account = await accounts.register(
      core,
      { username, email, password, origin: "accounts", profile: { fullName: full_name }, invitation },
      c.env.address(),
    );
    return c.json(wire.registered(account), 201, NO_STORE);
  });

  app.openapi(contract.login, async function login(c) {
    const { email, username, password } = c.req.valid("json");
    const by = email === undefined ? "username" : "email";
    const { account, session } = await credentials.signIn(
      core,
      { name: email ?? username ?? "", by, password, origin: "accounts" },
      clientOf(c),
    );
    const pair = refreshing.firstTokens(core, account.uuid, session);
    return c.json(wire.signedIn(pair, account, await roles.namesOf(core, account.id)), 200, NO_STORE);
  });

  app.openapi(contract.refresh, async function refresh(c) {
    const pair = await refreshing.rotate(core, c.req.valid("json").refresh_token, c.env.address);
    return c.json(wire.tokens(pair), 200, NO_STORE);
  });

  app.openapi(contract.logout, async function logout(c) {
    const { account, session } = await authenticated(core, origins, c);
    await sessions.revoke(core, account, session.id, c.env.address());
    return c.json({ message: "Logged out successfully" }, 200, NO_STORE);
  });

  app.openapi(contract.forgotPassword, async function forgotPassword(c) {
    const { email } = c.req.valid("json");
    const address = c.env.address();
    // After the answer and some time by chance: neither it nor what comes right after it tells whether there is
    // such an account.
    core
      .sleep(RESET_DELAY_MS * (0.5 + Math.random()))
      .then(() => recovery.requestReset(core, email, address))
      .catch((error: unknown) =>
        core.log.error({ err: error, requestId: c.env.id }, "a reset was not mailed"),
      );
    return c.json({ message: "Password reset email sent", email }, 200, NO_STORE);
  });

  app.openapi(contract.resetPassword, async function resetPassword(c) {
    const { token, password, confirm_password } = c.req.valid("json");
    requireSame(password, confirm_password);
    await recovery.reset(core, token, password, c.env.address());
    const redirect = `${core.settings.publicUrl()}/login`;
    return c.json({ message: "Password reset successfully", redirect }, 200, NO_STORE);
  });

  app.openapi(contract.changePassword, async function changePassword(c) {
    const { account, session } = await authenticated(core, origins, c);
    const { current_password, password, confirm_password } = c.req.valid("json");
    requireSame(password, confirm_password);
    await credentials.change(core, account, {
      current: current_password,
      next: password,
      keepSessionId: session.id,
      address: c.env.address(),
    });
    return c.json({ message: "Password changed successfully" }, 200, NO_STORE);
  });

  app.openapi(contract.verifyEmail, async function verifyEmail(c) {
    await recovery.verifyEmail(core, c.req.valid("json").token, c.env.address());
    return c.json({ message: "Email verified successfully" }, 200, NO_STORE);
  });

  app.openapi(contract.listSessions, async function listSessions(c) {
    const { account, session } = await authenticated(core, origins, c);
    const rows = await sessions.list(core, account);
    return c.json({ data: rows.map((row) => wire.session(row, session.id)) }, 200, NO_STORE);
  });

  app.openapi(contract.revokeSession, async function revokeSession(c) {
    const { account } = await authenticated(core, origins, c);
    await sessions.revoke(core, account, c.req.valid("param").id, c.env.address());
    return c.body(null, 204);
  });

  app.openapi(contract.revokeOtherSessions, async function revokeOtherSessions(c) {
    const { account, session } = await authenticated(core, origins, c);
    await sessions.revokeOthers(core, account, session.id, c.env.address());
    return c.body(null, 204);
  });
}

function requireSame(password: string, confirmation: string): void {
  if (password === confirmation) return;
  throw new DomainError("fieldsContradict", "The passwords do not match.", { field: "confirm_password" });
}
