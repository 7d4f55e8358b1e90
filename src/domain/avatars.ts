import { randomBytes } from "node:crypto";
import { and, eq, isNull, sql } from "drizzle-orm";
import { prepared } from "../../db/prepare.ts";
import { accounts } from "../../db/schema.ts";
import { type Account, publicColumns } from "./accounts.ts";
import type { Core } from "./core.ts";
import * as doomedObjects from "./doomed-objects.ts";
import { DomainError } from "./errors.ts";
import { identicon } from "./identicon.ts";
import { CONTENT_TYPES, type Extension, readPicture } from "./pictures/picture.ts";

// `avatarUrl` is what every API shows and whichever wrote last wins; null is the drawn badge. An upload writes its
// own address there, so a picture is shown, and served, only while that address still stands.

export const MAX_AVATAR_BYTES = 2 * 1024 * 1024;

const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const DRAWN = new RegExp(`^(${UUID})\\.svg$`);
const UPLOADED = new RegExp(`^avatar-(${UUID})-([0-9a-f]{32})\\.(png|jpg|webp)$`);

type Pictured = Pick<Account, "uuid" | "avatarUrl" | "avatarKey">;

/** The address of an account's picture: set by some API, uploaded, or drawn. */
export function urlOf(core: Core, account: Pictured): string {
  const key = shownKey(account);
  if (key !== null) return address(core, key);
  return account.avatarUrl || address(core, `${account.uuid}.svg`);
}

const address = (core: Core, name: string): string => `${core.settings.publicUrl()}/avatars/${name}`;

/** The object that is shown. Our public address may have changed since it was stored, so only its end counts. */
function shownKey({ avatarUrl, avatarKey }: Omit<Pictured, "uuid">): string | null {
  return avatarKey !== null && avatarUrl?.endsWith(`/avatars/${avatarKey}`) === true ? avatarKey : null;
}

/**
 * Makes these bytes the account's picture; the one before is served no more, and its object deleted by the
 * housekeeping. Throws `pictureInvalid`, `unauthorized`.
 */
export async function upload(core: Core, actor: Account, bytes: Uint8Array): Promise<Account> {
  const picture = readPicture(bytes);
  // Never used twice, so that an object that is to be deleted is nobody's picture again, and what is behind one
  // address never changes.
  const key = `avatar-${actor.uuid}-${randomBytes(16).toString("hex")}.${picture.extension}`;
  await doomedObjects.doomUnlessSpared(core, key);
  await core.documents.put(key, picture.bytes, CONTENT_TYPES[picture.extension]);
  const mine = sql`id = ${actor.id} AND deactivated_at IS NULL`;
  const [, [account]] = await core.db.batch([
    doomedObjects.dooming(
      core,
      sql`SELECT avatar_key AS key, 0 AS stored_until FROM accounts WHERE ${mine} AND avatar_key IS NOT NULL`,
    ),
    core.db
      .update(accounts)
      .set({ avatarKey: key, avatarUrl: address(core, key), updatedAt: core.clock() })
      // Taken too long: it is being deleted.
      .where(sql`${mine} AND EXISTS (SELECT 1 FROM doomed_objects WHERE key = ${key})`)
      .returning(publicColumns),
    core.db.run(
      sql`DELETE FROM doomed_objects WHERE key = (SELECT avatar_key FROM accounts WHERE id = ${actor.id})`,
    ),
  ]);
  if (account === undefined) throw new DomainError("unauthorized", "This session has ended.");
  return account;
}

export type Avatar = {
  readonly contentType: string;
  /** Another one for other bytes. */
  readonly version: string;
  /** Null when the store has lost it. */
  read(): Promise<Uint8Array | null>;
};

const byUuid = prepared((db) =>
  db
    .select({ avatarUrl: accounts.avatarUrl, avatarKey: accounts.avatarKey })
    .from(accounts)
    .where(and(eq(accounts.uuid, sql.placeholder("uuid")), isNull(accounts.deactivatedAt)))
    .prepare(),
);

/** What is behind the last part of an address that `urlOf` gave; null when nothing is, or no more. */
export async function find(core: Core, name: string): Promise<Avatar | null> {
  const drawn = DRAWN.exec(name)?.[1];
  if (drawn !== undefined) return drawnAvatar(drawn);
  const [, uuid, version, extension] = UPLOADED.exec(name) ?? [];
  if (uuid === undefined || version === undefined) return null;
  const account = await byUuid(core.db).get({ uuid });
  if (account === undefined || shownKey(account) !== name) return null;
  return {
    contentType: CONTENT_TYPES[extension as Extension],
    version,
    read: () => core.documents.get(name),
  };
}

/** Of any UUID, so that it does not tell whose exist. */
function drawnAvatar(uuid: string): Avatar {
  const bytes = Buffer.from(identicon(uuid));
  return {
    contentType: "image/svg+xml",
    version: Bun.hash(bytes).toString(36),
    read: async () => bytes,
  };
}
