import { OpenAPIHono } from "@hono/zod-openapi";
import * as accounts from "../../domain/accounts.ts";
import * as avatars from "../../domain/avatars.ts";
import type { Core } from "../../domain/core.ts";
import * as credentials from "../../domain/credentials.ts";
import { DomainError } from "../../domain/errors.ts";
import * as memberships from "../../domain/memberships.ts";
import * as permissions from "../../domain/permissions.ts";
import { contactsVisibleTo } from "../../domain/privacy.ts";
import * as sessions from "../../domain/sessions.ts";
import * as usernames from "../../domain/usernames.ts";
import type { ApiContext, Env } from "../../http/context.ts";
import { refuseInvalid, requireJson } from "../../http/input.ts";
import { jsonArrayStream } from "../../http/json-stream.ts";
import type { Origins } from "../../http/origins.ts";
import { authenticated, clientOf, findToken } from "../../http/token.ts";
import { unknownRoute } from "../../http/unknown-route.ts";
import * as contract from "./contract.ts";
import { changesOf } from "./editing.ts";
import { cabinetErrors } from "./errors.ts";
import { uploadedFile } from "./upload.ts";
import * as wire from "./wire.ts";

const NO_STORE = { "Cache-Control": "no-store" };
const DEFAULT_PAGE = 100;
const STREAM_IDLE_SECONDS = 60;
const UPLOAD_IDLE_SECONDS = 120;

/** The personal account with its groups, roles and permissions. */
export function createCabinetApi(core: Core, origins: Origins): OpenAPIHono<Env> {
  const app = new OpenAPIHono<Env>({ strict: false, defaultHook: refuseInvalid });
  app.onError(cabinetErrors(core.log));

  // Declared before the bodies of all others must be JSON, and read by hand: nobody unknown sends us 2 MiB.
  app.post(contract.editAvatar.path, async function editAvatar(c) {
    const { account } = await authenticated(core, origins, c);
    c.env.idleTimeout(UPLOAD_IDLE_SECONDS);
    const changed = await avatars.upload(core, account, await uploadedFile(c.req.raw, "avatar"));
    return c.json({ avatar: avatars.urlOf(core, changed) }, 200, NO_STORE);
  });

  requireJson(app);

  /** Public look-ups show more to who is signed in; a token that does not work counts as none there. */
  async function speller(c: ApiContext) {
    const session = findToken(c) === null ? null : await authenticated(core, origins, c).catch(nobody);
    const viewer = session?.account ?? null;
    const isVisible = await contactsVisibleTo(core, viewer);
    const seesAll = viewer !== null && (await permissions.isAllowed(core, viewer, "users.read"));
    return async function spellAll(page: readonly accounts.Account[]) {
      const shown = page.map((account) => account.id).filter((id) => seesAll || id === viewer?.id);
      const membershipsOf = shown.length === 0 ? noMemberships : await memberships.listOf(core, shown);
      return page.map((account) =>
        wire.person(account, {
          contactsVisible: isVisible(account),
          avatar: avatars.urlOf(core, account),
          memberships: membershipsOf(account.id),
        }),
      );
    };
  }

  /** As its owner sees it. */
  async function profile(account: accounts.Account, token: string) {
    const [membershipsOf, held] = await Promise.all([
      memberships.listOf(core, [account.id]),
      memberships.permissionsOf(core, account),
    ]);
    const avatar = avatars.urlOf(core, account);
    const surroundings = { contactsVisible: true, avatar, memberships: membershipsOf(account.id) };
    return { ...wire.person(account, surroundings), permissions: held, token };
  }

  app.openapi(contract.register, async function register(c) {
    const { login, email, password, first_name, last_name, patronymic, invitation } = c.req.valid("json");
    const names = { firstName: first_name, lastName: last_name, patronymic: patronymic || null };
    const { account, sessionId } = await accounts.registerAndSignIn(
      core,
      { username: login, email, password, origin: "cabinet", profile: names, invitation },
      clientOf(c),
    );
    const token = sessions.accessToken(core, account.uuid, sessionId);
    return c.json(await profile(account, token), 200, NO_STORE);
  });

  app.openapi(contract.signIn, async function signIn(c) {
    const { login, email, password } = c.req.valid("json");
    const { account, sessionId } = await credentials.signIn(
      core,
      {
        // "Must email or login": where both are given it is the login.
        ...(login ? { name: login, by: "username" } : { name: email ?? "", by: "email" }),
        password,
        origin: "cabinet",
      },
      clientOf(c),
    );
    const token = sessions.accessToken(core, account.uuid, sessionId);
    return c.json(await profile(account, token), 200, NO_STORE);
  });

  app.openapi(contract.checkLogin, async function checkLogin(c) {
    const { login } = c.req.valid("query");
    const rule = contract.login.safeParse(login).error?.issues[0]?.message;
    const isFree = rule === undefined && (await usernames.isFree(core, login));
    const message = isFree ? "This login is free." : "This login is already taken.";
    return c.json(
      { message: rule === undefined ? message : `A login ${rule}.`, is_login_available: isFree },
      200,
      NO_STORE,
    );
  });

  app.openapi(contract.me, async function me(c) {
    const { account } = await authenticated(core, origins, c);
    const found = findToken(c);
    // The cookie is kept from scripts, so its token is not told to them here.
    return c.json(await profile(account, found?.from === "header" ? found.token : ""), 200, NO_STORE);
  });

  app.openapi(contract.editInfo, async function editInfo(c) {
    const { account } = await authenticated(core, origins, c);
    const changes = changesOf(account, c.req.valid("json"), core.clock());
    return c.json(wire.info(await accounts.update(core, account, account.id, changes)), 200, NO_STORE);
  });

  app.openapi(contract.listUsers, async function listUsers(c) {
    const { limit, after } = c.req.valid("query");
    const spellAll = await speller(c);
    if (limit !== undefined || after !== undefined) {
      const page = await accounts.listAfter(core, after ?? 0, limit ?? DEFAULT_PAGE);
      return c.json(await spellAll(page), 200, NO_STORE);
    }
    c.env.idleTimeout(STREAM_IDLE_SECONDS);
    return jsonArrayStream(spelled(accounts.stream(core, "active"), spellAll), (row) => row) as never;
  });

  // The description's "search-{key}" in the router's spelling, which has no parameters within a part of a path.
  app.get("/info/users/:search{search-[^/]+}", async function findUser(c) {
    const account = await search(core, c.req.param("search").slice("search-".length));
    const [found] = await (await speller(c))([account]);
    return c.json(found, 200, NO_STORE);
  });

  app.notFound(unknownRoute(app));
  return app;
}

const noMemberships = (): memberships.Memberships => ({ groups: [], roles: [] });

/** Digits are an id first, else a login. Throws `accountNotFound`. */
async function search(core: Core, key: string): Promise<accounts.Account> {
  const id = /^[1-9]\d{0,15}$/.test(key) ? Number(key) : 0;
  if (id === 0 || !Number.isSafeInteger(id)) return accounts.getActiveByUsername(core, key);
  return accounts.getActive(core, id).catch((error: unknown) => {
    if (!(error instanceof DomainError) || error.code !== "accountNotFound") throw error;
    return accounts.getActiveByUsername(core, key);
  });
}

async function* spelled<Row, Spelled>(
  pages: AsyncGenerator<readonly Row[]>,
  spellAll: (page: readonly Row[]) => Promise<readonly Spelled[]>,
): AsyncGenerator<readonly Spelled[]> {
  for await (const page of pages) yield await spellAll(page);
}

/** A token that is refused; a database that does not answer is another matter. */
function nobody(error: unknown): null {
  if (error instanceof DomainError) return null;
  throw error;
}
