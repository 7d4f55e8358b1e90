import { OpenAPIHono } from "@hono/zod-openapi";
import * as accounts from "../../domain/accounts.ts";
import type { Core } from "../../domain/core.ts";
import * as credentials from "../../domain/credentials.ts";
import { DomainError } from "../../domain/errors.ts";
import * as games from "../../domain/games.ts";
import { contactsVisibleTo } from "../../domain/privacy.ts";
import * as sessions from "../../domain/sessions.ts";
import * as statistics from "../../domain/statistics.ts";
import * as tasks from "../../domain/tasks.ts";
import type { ApiContext, Env } from "../../http/context.ts";
import { refuseInvalid, requireJson } from "../../http/input.ts";
import { jsonArrayStream } from "../../http/json-stream.ts";
import type { Origins } from "../../http/origins.ts";
import { authenticated, clientOf, findToken } from "../../http/token.ts";
import { unknownRoute } from "../../http/unknown-route.ts";
import * as contract from "./contract.ts";
import { playersErrors } from "./errors.ts";
import * as wire from "./wire.ts";

const NO_STORE = { "Cache-Control": "no-store" };
const PDF_RETRY_SECONDS = "1";
const DEFAULT_PAGE = 100;
const STREAM_IDLE_SECONDS = 60;

/** Players, their counters, games and PDF. */
export function createPlayersApi(core: Core, origins: Origins): OpenAPIHono<Env> {
  const app = new OpenAPIHono<Env>({ strict: false, defaultHook: refuseInvalid });
  app.onError(playersErrors(core.log));
  requireJson(app);

  /** Public look-ups show more to who is signed in; a token that does not work counts as none there. */
  async function speller(c: ApiContext) {
    const viewer = findToken(c) === null ? null : await authenticated(core, origins, c).catch(() => null);
    const isVisible = await contactsVisibleTo(core, viewer?.account ?? null);
    return (account: accounts.Account) => wire.user(account, isVisible(account) ? account.email : null);
  }

  app.openapi(contract.listUsers, async function listUsers(c) {
    const { limit, after } = c.req.valid("query");
    const spell = await speller(c);
    if (limit !== undefined || after !== undefined) {
      const page = await accounts.listAfter(core, after ?? 0, limit ?? DEFAULT_PAGE);
      return c.json(page.map(spell), 200);
    }
    c.env.idleTimeout(STREAM_IDLE_SECONDS);
    return jsonArrayStream(accounts.stream(core, "active"), spell) as never;
  });

  app.openapi(contract.createUser, async function createUser(c) {
    const { username, email, password, gender = null, profile_pic = null, invitation } = c.req.valid("json");
    const { account, sessionId } = await accounts.registerAndSignIn(
      core,
      {
        username,
        email,
        password,
        origin: "players",
        profile: { sex: gender, avatarUrl: profile_pic },
        invitation,
      },
      clientOf(c),
    );
    const token = sessions.accessToken(core, account.uuid, sessionId);
    return c.json({ ...wire.user(account, account.email), token }, 201, NO_STORE);
  });

  app.openapi(contract.leaderboard, async function leaderboard(c) {
    const spell = await speller(c);
    const ranked = await statistics.leaderboard(core, c.req.valid("query").limit);
    const rows = ranked.map(({ rank, account, victoryCount }) => ({
      ...spell(account),
      rank,
      victory_count: victoryCount,
    }));
    return c.json(rows, 200);
  });

  app.openapi(contract.getUser, async function getUser(c) {
    const account = await accounts.getActive(core, idOf(c.req.valid("param").id));
    const spell = await speller(c);
    return c.json(spell(account), 200);
  });

  async function changeUser(c: ApiContext, id: number, input: contract.UserChanges) {
    const { account, session } = await authenticated(core, origins, c);
    const { username, email, gender, profile_pic, password, current_password } = input;
    const changed = await accounts.update(core, account, id, {
      ...(username === undefined ? {} : { username }),
      ...(email === undefined ? {} : { email }),
      ...(gender === undefined ? {} : { sex: gender }),
      ...(profile_pic === undefined ? {} : { avatarUrl: profile_pic }),
      ...(password === undefined
        ? {}
        : {
            newPassword: {
              current: current_password ?? "",
              next: password,
              keepSessionId: session.id,
              address: c.env.address(),
            },
          }),
    });
    const isVisible = await contactsVisibleTo(core, account);
    return wire.user(changed, isVisible(changed) ? changed.email : null);
  }

  app.openapi(contract.putUser, async function putUser(c) {
    return c.json(await changeUser(c, idOf(c.req.valid("param").id), c.req.valid("json")), 200, NO_STORE);
  });

  app.openapi(contract.patchUser, async function patchUser(c) {
    return c.json(await changeUser(c, idOf(c.req.valid("param").id), c.req.valid("json")), 200, NO_STORE);
  });

  app.openapi(contract.deleteUser, async function deleteUser(c) {
    const { account } = await authenticated(core, origins, c);
    await accounts.deactivate(core, account, idOf(c.req.valid("param").id), c.env.address());
    return c.body(null, 204);
  });

  app.openapi(contract.getStats, async function getStats(c) {
    await authenticated(core, origins, c);
    const counters = await statistics.get(core, idOf(c.req.valid("param").id));
    return c.json(wire.stats(counters), 200, NO_STORE);
  });

  async function changeStats(c: ApiContext, id: number, input: contract.StatsChanges) {
    const { account } = await authenticated(core, origins, c);
    const { loss_count, session_count, total_time, victory_count } = input;
    const changes = {
      ...(loss_count === undefined ? {} : { lossCount: loss_count }),
      ...(session_count === undefined ? {} : { sessionCount: session_count }),
      ...(total_time === undefined ? {} : { totalTimeSeconds: total_time }),
      ...(victory_count === undefined ? {} : { victoryCount: victory_count }),
    };
    const counters = await statistics.update(core, account, id, changes, c.env.address());
    return wire.stats(counters);
  }

  app.openapi(contract.putStats, async function putStats(c) {
    return c.json(await changeStats(c, idOf(c.req.valid("param").id), c.req.valid("json")), 200, NO_STORE);
  });

  app.openapi(contract.patchStats, async function patchStats(c) {
    return c.json(await changeStats(c, idOf(c.req.valid("param").id), c.req.valid("json")), 200, NO_STORE);
  });

  app.openapi(contract.createGame, async function createGame(c) {
    const { account } = await authenticated(core, origins, c);
    const { role, result, duration, played_at } = c.req.valid("json");
    const played = {
      role,
      result,
      durationSeconds: duration,
      ...(played_at === undefined ? {} : { playedAt: Date.parse(played_at) }),
    };
    const id = idOf(c.req.valid("param").id);
    const game = await games.record(core, account, id, played, c.env.address());
    return c.json(wire.game(game), 201, NO_STORE);
  });

  app.openapi(contract.listGames, async function listGames(c) {
    await authenticated(core, origins, c);
    const { limit, before } = c.req.valid("query");
    const rows = await games.list(core, idOf(c.req.valid("param").id), limit, before);
    return c.json(rows.map(wire.game), 200, NO_STORE);
  });

  app.openapi(contract.requestPdf, async function requestPdf(c) {
    const { account } = await authenticated(core, origins, c);
    const id = idOf(c.req.valid("param").id);
    await tasks.requestPlayerDocument(core, account, id, c.env.id);
    return c.json({ url: `/users/${id}/pdf` }, 200, NO_STORE);
  });

  app.openapi(contract.getPdf, async function getPdf(c) {
    await authenticated(core, origins, c);
    const document = await tasks.playerDocument(core, idOf(c.req.valid("param").id));
    if (document.state === "waiting") {
      return c.body(null, 202, { ...NO_STORE, "Retry-After": PDF_RETRY_SECONDS });
    }
    return c.body(document.bytes.slice().buffer, 200, {
      ...NO_STORE,
      "Content-Type": "application/pdf",
      "Content-Disposition": `inline; filename="${tasks.documentKey(document.taskId)}"`,
    });
  });

  app.openapi(contract.login, async function login(c) {
    const { username, password } = c.req.valid("json");
    const { account, sessionId } = await credentials.signIn(
      core,
      { name: username, by: "username", password, origin: "players" },
      clientOf(c),
    );
    const token = sessions.accessToken(core, account.uuid, sessionId);
    // "user" : "users/<id>", without a slash before it.
    return c.json({ success: true as const, token, user: `users/${account.id}` }, 200, NO_STORE);
  });

  app.notFound(unknownRoute(app));
  return app;
}

/** What is no number is nobody's. */
function idOf(text: string): number {
  const id = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : 0;
  if (!Number.isSafeInteger(id) || id === 0)
    throw new DomainError("accountNotFound", "There is no such user.");
  return id;
}
