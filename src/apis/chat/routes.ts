import { OpenAPIHono } from "@hono/zod-openapi";
import { deleteCookie, setCookie } from "hono/cookie";
import * as accounts from "../../domain/accounts.ts";
import type { Core } from "../../domain/core.ts";
import * as credentials from "../../domain/credentials.ts";
import { DomainError } from "../../domain/errors.ts";
import * as messages from "../../domain/messages.ts";
import * as moderation from "../../domain/moderation.ts";
import * as roomPeople from "../../domain/room-people.ts";
import * as rooms from "../../domain/rooms.ts";
import * as sessions from "../../domain/sessions.ts";
import * as tickets from "../../domain/socket-tickets.ts";
import type { ApiContext, Env } from "../../http/context.ts";
import { RequestError } from "../../http/failures.ts";
import { createTurnstile } from "../../http/fair-turns.ts";
import { refuseInvalid, requireJson } from "../../http/input.ts";
import type { Origins } from "../../http/origins.ts";
import { authenticated, clientOf, TOKEN_COOKIE } from "../../http/token.ts";
import { unknownRoute } from "../../http/unknown-route.ts";
import { admit, personOf, requireUpgrade, sinceOf, speaksPlain, visitor } from "./admission.ts";
import * as contract from "./contract.ts";
import { chatErrors } from "./errors.ts";
import { type Sockets, V1 } from "./sockets.ts";
import * as wire from "./wire.ts";

const JOINED_IN_A_TURN = 4;
const NO_STORE = { "Cache-Control": "no-store" };

/** Sign-in by cookie, rooms, and what is said in them. */
export function createChatApi(core: Core, origins: Origins, sockets: Sockets): OpenAPIHono<Env> {
  const app = new OpenAPIHono<Env>({ strict: false, defaultHook: refuseInvalid });
  app.onError(chatErrors(core.log));
  requireJson(app);
  const { hub } = sockets;
  // Who comes can wait for who is there.
  const pass = createTurnstile(JOINED_IN_A_TURN);

  const cookie = () => ({
    path: "/",
    httpOnly: true,
    sameSite: "Lax" as const,
    secure: core.settings.publicUrl().startsWith("https:"),
  });

  app.openapi(contract.signUp, async function signUp(c) {
    const { username, email, password, invitation } = c.req.valid("json");
    const account = await accounts.register(
      core,
      { username, email, password, origin: "chat", invitation },
      c.env.address(),
    );
    return c.json({ id: account.id, username: account.username, email: account.email }, 200, NO_STORE);
  });

  app.openapi(contract.signIn, async function signIn(c) {
    const { email, password } = c.req.valid("json");
    const { account, sessionId } = await credentials.signIn(
      core,
      { name: email, by: "email", password, origin: "chat" },
      clientOf(c),
    );
    const token = sessions.accessToken(core, account.uuid, sessionId, sessions.CHAT_TTL_SECONDS);
    setCookie(c, TOKEN_COOKIE, token, { ...cookie(), maxAge: sessions.CHAT_TTL_SECONDS });
    return c.json({ id: account.id, username: account.username }, 200, NO_STORE);
  });

  app.openapi(contract.signOut, async function signOut(c) {
    // It changes something, although it is a GET: no other site's page may do it.
    origins.requireOwn(c.req.raw.headers);
    deleteCookie(c, TOKEN_COOKIE, cookie());
    const { account, session } = await authenticated(core, origins, c);
    await sessions.revoke(core, account, session.id, c.env.address());
    return c.json({ message: "logout successful" }, 200, NO_STORE);
  });

  app.openapi(contract.createRoom, async function createRoom(c) {
    const person = await writer(c);
    const { id = null, name, private: isPrivate = false } = c.req.valid("json");
    return c.json(
      wire.room(
        await rooms.create(core, person, { publicId: id, name, isPrivate, address: c.env.address() }),
      ),
      200,
    );
  });

  app.openapi(contract.listRooms, async function listRooms(c) {
    const person = await visitor(core, origins, c);
    return c.json((await rooms.list(core, person)).map(wire.room), 200);
  });

  app.openapi(contract.listClients, async function listClients(c) {
    await visitor(core, origins, c);
    return c.json((await hub.people(null)).map(wire.user), 200);
  });

  app.openapi(contract.listClientsOfRoom, async function listClientsOfRoom(c) {
    const person = await visitor(core, origins, c);
    const { room } = await rooms.enter(core, c.req.valid("param").roomId, person);
    return c.json((await hub.people(room.id)).map(wire.user), 200);
  });

  app.openapi(contract.joinRoom, async function joinRoom(c) {
    await pass();
    requireUpgrade(c);
    origins.requireOwn(c.req.raw.headers);
    const isPlain = speaksPlain(c.req.header("Sec-WebSocket-Protocol"));
    const { userId, username, ticket, since, epoch } = c.req.valid("query");
    const wanted = sinceOf(since, epoch);
    const { person, session } = await admit(core, origins, c, { userId, username, ticket });
    const access = await rooms.enter(core, c.req.valid("param").roomId, person);
    hub.requirePlace(person, access.room);
    const data = sockets.dataOf({
      access,
      person,
      session: session === null ? null : { id: session.id, expiresAt: session.expiresAt },
      since: wanted,
      isPlain,
    });
    const headers = { "X-Request-ID": c.env.id, ...(isPlain ? {} : { "Sec-WebSocket-Protocol": V1 }) };
    if (!c.env.upgrade({ data, headers }))
      throw new RequestError("upgradeRequired", "This is no WebSocket handshake.");
    return new Response(null, { status: 101 }) as never;
  });

  app.openapi(contract.createTicket, async function createTicket(c) {
    const ticket = await tickets.create(core, await authenticated(core, origins, c));
    return c.json({ ticket, expires_in: tickets.TTL_SECONDS }, 200, NO_STORE);
  });

  app.openapi(contract.myRooms, async function myRooms(c) {
    const { account } = await authenticated(core, origins, c);
    const seen = await rooms.listWithAccess(core, personOf(account));
    const [unread, counts] = await Promise.all([messages.unread(core, account.id, seen), hub.counts()]);
    const rows = seen.map((access) =>
      wire.ownRoom(access, unread.get(access.room.id) ?? 0, counts.get(access.room.id) ?? 0),
    );
    return c.json(rows, 200, NO_STORE);
  });

  app.openapi(contract.getRoom, async function getRoom(c) {
    const person = await visitor(core, origins, c);
    const access = await rooms.enter(core, c.req.valid("param").id, person);
    const muted = rooms.holdOf(access.mutedUntil, core.clock());
    return c.json(wire.oneRoom(access, muted), 200, NO_STORE);
  });

  app.openapi(contract.peopleOfRoom, async function peopleOfRoom(c) {
    const { account } = await authenticated(core, origins, c);
    const { id } = c.req.valid("param");
    const people = await roomPeople.list(core, hub, id, personOf(account), c.req.valid("query"));
    return c.json({ people: people.map(wire.personOfRoom) }, 200, NO_STORE);
  });

  app.openapi(contract.history, async function history(c) {
    const person = await visitor(core, origins, c);
    const { room } = await rooms.enter(core, c.req.valid("param").id, person);
    const page = await messages.page(core, room.id, c.req.valid("query"));
    const epoch = await messages.epochOf(core);
    return c.json(
      { messages: page.map((entry) => wire.message(entry, room.publicId)), epoch },
      200,
      NO_STORE,
    );
  });

  app.openapi(contract.say, async function say(c) {
    const { account } = await authenticated(core, origins, c);
    const { content, key = null } = c.req.valid("json");
    const flaw = messages.flawOf(content, key);
    if (flaw !== null) throw new RequestError("invalidInput", flaw.why);
    const person = personOf(account);
    const access = await rooms.enter(core, c.req.valid("param").id, person);
    const { entry } = await hub.say(access, person, content, key);
    return c.json(wire.message(entry, access.room.publicId), 201);
  });

  app.openapi(contract.removeMessage, async function removeMessage(c) {
    const actor = await moderator(c);
    const { id, messageId } = c.req.valid("param");
    const { reason } = c.req.valid("json");
    await moderation.removeMessage(core, actor, id, messageIdOf(messageId), reason);
    return c.body(null, 204);
  });

  app.openapi(contract.changeRoom, async function changeRoom(c) {
    const actor = await moderator(c);
    const { name, slow_mode_seconds, read_only, private: isPrivate } = c.req.valid("json");
    await moderation.change(core, actor, c.req.valid("param").id, {
      name,
      slowModeSeconds: slow_mode_seconds,
      isReadOnly: read_only,
      isPrivate,
    });
    return c.body(null, 204);
  });

  app.openapi(contract.deleteRoom, async function deleteRoom(c) {
    await moderation.remove(core, await moderator(c), c.req.valid("param").id);
    return c.body(null, 204);
  });

  for (const [route, act] of [
    [contract.mute, moderation.mute],
    [contract.ban, moderation.ban],
  ] as const) {
    app.openapi(route as typeof contract.mute, async function actFor(c) {
      const { id, userId } = c.req.valid("param");
      const { until, reason } = c.req.valid("json");
      const term = { until: until === undefined ? undefined : Date.parse(until), reason };
      await act(core, await moderator(c), id, userIdOf(userId), term);
      return c.body(null, 204);
    });
  }

  app.openapi(contract.kick, async function kick(c) {
    const { id, userId } = c.req.valid("param");
    await moderation.kick(core, await moderator(c), id, userIdOf(userId), c.req.valid("json"));
    return c.body(null, 204);
  });

  for (const [route, act] of [
    [contract.unmute, moderation.unmute],
    [contract.unban, moderation.unban],
    [contract.addModerator, moderation.addModerator],
    [contract.removeModerator, moderation.removeModerator],
    [contract.addMember, moderation.addMember],
    [contract.removeMember, moderation.removeMember],
  ] as const) {
    app.openapi(route as typeof contract.unmute, async function actUpon(c) {
      const { id, userId } = c.req.valid("param");
      await act(core, await moderator(c), id, userIdOf(userId));
      return c.body(null, 204);
    });
  }

  /** Who makes a room; a guest too, where they are welcome. */
  async function writer(c: ApiContext) {
    origins.requireOwn(c.req.raw.headers);
    return visitor(core, origins, c);
  }

  async function moderator(c: ApiContext): Promise<moderation.Moderator> {
    const { account } = await authenticated(core, origins, c);
    return { id: account.id, username: account.username, account, address: c.env.address() };
  }

  app.notFound(unknownRoute(app));
  return app;
}

function messageIdOf(text: string): number {
  const id = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(id)) throw messages.notFound();
  return id;
}

/** An account's number, or a guest's negative one. */
function userIdOf(text: string): number {
  const id = /^-?[1-9]\d{0,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(id)) throw new DomainError("accountNotFound", "There is no such user.");
  return id;
}
