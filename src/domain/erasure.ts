import { type SQL, sql } from "drizzle-orm";
import { accounts, mailedSecrets, mails } from "../../db/schema.ts";
import type { Account } from "./accounts.ts";
import * as people from "./accounts.ts";
import type * as audit from "./audit.ts";
import type { Core } from "./core.ts";
import * as credentials from "./credentials.ts";
import * as doomedObjects from "./doomed-objects.ts";
import { DomainError } from "./errors.ts";
import * as permissions from "./permissions.ts";
import * as signInFailures from "./sign-in-failures.ts";

// At once, in one batch: nobody can sign in, and the account names nobody any more. What the person left elsewhere
// follows in small batches: erasure-rest.ts.

/** What shows that somebody means it. */
export type Proof = {
  readonly password?: string | undefined;
  /** Of an account without a password: its username. */
  readonly confirm?: string | undefined;
  readonly sessionId: string;
  readonly address: string;
};

/**
 * Erases one's own account for good. Throws `credentialsInvalid`, `fieldInvalid` where the proof is missing or is
 * another name, `lastAdmin`, `unauthorized` when password or session ended meanwhile.
 */
export async function eraseSelf(core: Core, account: Account, proof: Proof): Promise<void> {
  const hash = await provenHash(core, account, proof);
  const still = sql`password_hash IS ${hash} AND deactivated_at IS NULL
    AND EXISTS (SELECT 1 FROM sessions WHERE id = ${proof.sessionId} AND revoked_at IS NULL)`;
  // Where from is a detail about the person, too.
  const isDone = await begin(core, account, { actorId: account.id }, still);
  if (!isDone) throw credentials.changedMeanwhile();
}

async function provenHash(core: Core, account: Account, { password, confirm, address }: Proof) {
  if (await credentials.hasPassword(core, account.id)) {
    if (password === undefined) {
      throw new DomainError("fieldInvalid", "Your password is needed.", { field: "password" });
    }
    return credentials.requireCurrent(core, account, password, address, "password");
  }
  if (confirm === account.username) return null;
  throw new DomainError("fieldInvalid", "confirm must be your username.", { field: "confirm" });
}

/**
 * Erases somebody else's account for good, deactivated or not: for who may deactivate it. Throws `forbidden`,
 * `accountNotFound`, `lastAdmin`.
 */
export async function eraseOther(core: Core, actor: Account, id: number, address: string): Promise<void> {
  await permissions.require(core, actor, "users.write");
  if (actor.id === id) {
    throw new DomainError("forbidden", "Erase your own account at /api/users/me/erase, with your password.");
  }
  await permissions.requireToWrite(core, actor, id);
  const account = await people.get(core, id);
  const isDone = await begin(core, account, { actorId: actor.id, address }, sql`1`);
  if (!isDone) throw new DomainError("accountNotFound", "There is no such user.");
}

/** A name that nobody can register: it has a slash. */
export const erasedName = (id: number): string => `deleted/${id}`;

type By = Pick<audit.NewEntry, "actorId" | "address">;

/** False when it was erased before, or the condition on its row does not hold. */
async function begin(core: Core, { id, uuid }: Account, by: By, condition: SQL): Promise<boolean> {
  const now = core.clock();
  const begun = sql`EXISTS (SELECT 1 FROM erasures WHERE account_id = ${id})`;
  const mine = sql`account_id = ${id} AND ${begun}`;
  const [inserted] = await permissions.keepingAnAdmin(core, () =>
    core.db.batch([
      core.db.values(sql`INSERT INTO erasures (account_id, began_at) SELECT id, ${now} FROM accounts
        WHERE id = ${id} AND erased_at IS NULL AND ${condition} RETURNING 1`),
      core.db.run(sql`INSERT INTO audit_entries (at, actor_id, action, target, address)
        SELECT ${now}, ${by.actorId}, 'account.erased', ${`account:${uuid}`}, ${by.address ?? null}
        WHERE changes() > 0`),
      permissions.notingAdmins(core),
      doomedObjects.dooming(
        core,
        sql`SELECT avatar_key AS key, 0 AS stored_until FROM accounts
          WHERE id = ${id} AND avatar_key IS NOT NULL AND ${begun}`,
      ),
      core.db
        .update(accounts)
        .set({ ...emptied(id), deactivatedAt: now, erasedAt: now, updatedAt: now })
        .where(sql`id = ${id} AND ${begun}`),
      core.db.run(sql`DELETE FROM account_roles WHERE ${mine}`),
      core.db.run(sql`DELETE FROM account_groups WHERE ${mine}`),
      core.db.delete(mailedSecrets).where(mine),
      core.db.delete(mails).where(mine),
      core.db.run(sql`DELETE FROM invitations WHERE created_by = ${id} AND ${begun}`),
      core.db.run(sql`DELETE FROM socket_tickets WHERE ${begun}
        AND session_id IN (SELECT id FROM sessions WHERE account_id = ${id})`),
      core.db.run(sql`DELETE FROM rate_limits WHERE ${begun}
        AND key IN (${signInFailures.keyOf(id)}, ${people.movesKeyOf(id)})`),
      // Every node finds by these rows which sockets to close; they go with the rest.
      core.db.run(sql`UPDATE sessions SET revoked_at = coalesce(revoked_at, ${now}), address = '',
        user_agent = NULL, browser = NULL WHERE ${mine}`),
      permissions.checkingAdmins(core),
    ]),
  );
  return inserted.length > 0;
}

const emptied = (id: number) => ({
  username: erasedName(id),
  usernameKey: erasedName(id),
  email: "",
  emailKey: "",
  passwordHash: null,
  passwordStrong: false,
  emailVisible: false,
  fullName: null,
  firstName: null,
  lastName: null,
  patronymic: null,
  sex: null,
  avatarUrl: null,
  birthday: null,
  description: "",
  backgroundColor: "#005CC9",
  location: null,
  phoneNumber: null,
  timezone: null,
  language: null,
  company: null,
  emailVerifiedAt: null,
  confirmedEmail: null,
  avatarKey: null,
  lastLoginAt: null,
  loginCount: 0,
});
