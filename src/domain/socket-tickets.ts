import { and, eq, gt } from "drizzle-orm";
import { socketTickets } from "../../db/schema.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import * as secrets from "./secrets.ts";
import * as sessions from "./sessions.ts";

export const TTL_SECONDS = 30;

/** A secret that opens one socket for this session: browsers can give a socket no header. */
export async function create(core: Core, { session }: sessions.Authenticated): Promise<string> {
  const { token, hash } = secrets.create();
  const expiresAt = core.clock() + TTL_SECONDS * 1000;
  await core.db.insert(socketTickets).values({ hash, sessionId: session.id, expiresAt });
  return token;
}

/** Whose ticket this is; it is used up by asking. Throws `unauthorized`. */
export async function use(core: Core, ticket: string): Promise<sessions.Authenticated> {
  const [used] = await core.db
    .delete(socketTickets)
    .where(and(eq(socketTickets.hash, secrets.hashOf(ticket)), gt(socketTickets.expiresAt, core.clock())))
    .returning({ sessionId: socketTickets.sessionId });
  if (used === undefined) throw new DomainError("unauthorized", "This ticket was used, or has expired.");
  return sessions.living(core, await sessions.findWithAccount(core, used.sessionId));
}
