import type { Account } from "../../domain/accounts.ts";
import type { Core } from "../../domain/core.ts";
import { DomainError } from "../../domain/errors.ts";
import type { Since } from "../../domain/messages.ts";
import * as names from "../../domain/names.ts";
import type { Person } from "../../domain/rooms.ts";
import type * as sessions from "../../domain/sessions.ts";
import * as tickets from "../../domain/socket-tickets.ts";
import * as usernames from "../../domain/usernames.ts";
import { network } from "../../http/address.ts";
import type { ApiContext } from "../../http/context.ts";
import { RequestError } from "../../http/failures.ts";
import type { Origins } from "../../http/origins.ts";
import { authenticated, findToken } from "../../http/token.ts";
import { V1 } from "./sockets.ts";

export const personOf = (account: Account): Person => ({
  id: account.id,
  username: account.username,
  account,
});

/** Who asks; null is somebody who is not signed in, where guests are welcome. Throws as `authenticated` does. */
export async function visitor(core: Core, origins: Origins, c: ApiContext): Promise<Person | null> {
  if (core.settings.chatGuests && findToken(c) === null) return null;
  return personOf((await authenticated(core, origins, c)).account);
}

export type Claims = {
  readonly userId?: string | undefined;
  readonly username?: string | undefined;
  readonly ticket?: string | undefined;
};

export type Admitted = { readonly person: Person; readonly session: sessions.Session | null };

/**
 * Who opens a socket: by a ticket, a token, or as a guest. Throws `unauthorized` and its like, `forbidden` for the
 * name or number of somebody else, and for a guest `usernameTaken` and `usernameInvalid`.
 */
export async function admit(core: Core, origins: Origins, c: ApiContext, claims: Claims): Promise<Admitted> {
  if (claims.ticket === undefined && findToken(c) === null && core.settings.chatGuests) {
    return { person: await guest(core, claims.username, network(c.env.address())), session: null };
  }
  const { account, session } =
    claims.ticket === undefined
      ? await authenticated(core, origins, c)
      : await tickets.use(core, claims.ticket);
  const isOwnId = claims.userId === undefined || claims.userId === String(account.id);
  const isOwnName =
    claims.username === undefined ||
    names.usernameKey(claims.username) === names.usernameKey(account.username);
  if (!isOwnId || !isOwnName) {
    throw new DomainError("forbidden", "userId and username must be those of the account that is signed in.");
  }
  return { person: personOf(account), session };
}

const GUEST_IDS = 2 ** 47;

/** The number is random, so that no two nodes give the same one. */
async function guest(core: Core, wanted: string | undefined, from: string): Promise<Person> {
  const id = -1 - Math.floor(Math.random() * GUEST_IDS);
  const username = names.cleanUsername(wanted || names.guestName(id));
  if (await usernames.isFree(core, username)) return { id, username, account: null, network: from };
  throw new DomainError("usernameTaken", "A registered user has this name.", { field: "username" });
}

/** Whether the plain protocol is wanted. Throws when only subprotocols are offered that we do not speak. */
export function speaksPlain(offered: string | undefined): boolean {
  if (offered === undefined) return true;
  if (offered.split(",").some((name) => name.trim() === V1)) return false;
  throw new RequestError("invalidInput", `The subprotocol must be ${V1}, or none.`);
}

/** Throws for what is no request for a WebSocket. */
export function requireUpgrade(c: ApiContext): void {
  const isUpgrade = c.req.header("Upgrade")?.toLowerCase() === "websocket";
  if (isUpgrade && c.req.header("Sec-WebSocket-Key") !== undefined) return;
  throw new RequestError("upgradeRequired", "This address is for WebSockets.");
}

export function sinceOf(since: string | undefined, epoch: string | undefined): Since | null {
  if (since === undefined) return null;
  const id = /^\d{1,16}$/.test(since) ? Number(since) : Number.NaN;
  if (!Number.isSafeInteger(id)) throw new RequestError("invalidInput", "since must be the id of a message.");
  return { id, epoch: epoch ?? null };
}
