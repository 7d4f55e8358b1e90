import { desc, eq, isNull, sql } from "drizzle-orm";
import { prepared } from "../../db/prepare.ts";
import { accounts, playerCounters } from "../../db/schema.ts";
import { type Account, getActive, publicColumns } from "./accounts.ts";
import * as audit from "./audit.ts";
import type { Core } from "./core.ts";
import * as permissions from "./permissions.ts";

export type Counters = Omit<typeof playerCounters.$inferSelect, "accountId">;

/** The largest value of a counter: the last integer that JSON readers keep exact. */
export const MAX_COUNTER = Number.MAX_SAFE_INTEGER;

const ZERO: Counters = { victoryCount: 0, lossCount: 0, sessionCount: 0, totalTimeSeconds: 0 };

const columns = {
  victoryCount: playerCounters.victoryCount,
  lossCount: playerCounters.lossCount,
  sessionCount: playerCounters.sessionCount,
  totalTimeSeconds: playerCounters.totalTimeSeconds,
};

const byAccount = prepared((db) =>
  db
    .select(columns)
    .from(playerCounters)
    .where(eq(playerCounters.accountId, sql.placeholder("accountId")))
    .prepare(),
);

/** Throws `accountNotFound`. */
export async function get(core: Core, accountId: number): Promise<Counters> {
  await getActive(core, accountId);
  return read(core, accountId);
}

/** As get, of an account known to exist. */
export async function read(core: Core, accountId: number): Promise<Counters> {
  return (await byAccount(core.db).get({ accountId })) ?? ZERO;
}

/** Changes only what is given. As permissions.requireToWrite. Throws `forbidden`, `accountNotFound`. */
export async function update(
  core: Core,
  actor: Account,
  accountId: number,
  changes: Partial<Counters>,
  address?: string,
): Promise<Counters> {
  await permissions.requireToWrite(core, actor, accountId);
  const account = await getActive(core, accountId);
  if (Object.keys(changes).length === 0) return read(core, accountId);
  const [[counters]] = await core.db.batch([
    core.db
      .insert(playerCounters)
      .values({ accountId, ...changes })
      .onConflictDoUpdate({ target: playerCounters.accountId, set: changes })
      .returning(columns),
    ...recordingChanged(core, actor, account, { fields: Object.keys(changes) }, address),
  ]);
  return counters ?? ZERO;
}

/** The statements that record what was done to another's figures; none for one's own. */
export const recordingChanged = (
  core: Core,
  actor: Account,
  account: Account,
  details: Readonly<Record<string, unknown>>,
  address?: string,
) =>
  actor.id === account.id
    ? []
    : [
        audit.recording(core, {
          actorId: actor.id,
          action: "account.changed",
          target: `account:${account.uuid}`,
          details,
          ...(address === undefined ? {} : { address }),
        }),
      ];

/** The statement that adds to the counters; to be run in a batch with what is counted. Stops at MAX_COUNTER. */
export function adding(core: Core, accountId: number, more: Counters) {
  const sum = (column: keyof Counters) =>
    sql`min(${playerCounters[column]} + ${more[column]}, ${MAX_COUNTER})`;
  return core.db
    .insert(playerCounters)
    .values({ accountId, ...more })
    .onConflictDoUpdate({
      target: playerCounters.accountId,
      set: {
        victoryCount: sum("victoryCount"),
        lossCount: sum("lossCount"),
        sessionCount: sum("sessionCount"),
        totalTimeSeconds: sum("totalTimeSeconds"),
      },
    });
}

const best = prepared((db) =>
  db
    .select({ account: publicColumns, victoryCount: playerCounters.victoryCount })
    .from(playerCounters)
    .innerJoin(accounts, eq(accounts.id, playerCounters.accountId))
    .where(isNull(accounts.deactivatedAt))
    .orderBy(desc(playerCounters.victoryCount), playerCounters.accountId)
    .limit(sql.placeholder("limit"))
    .prepare(),
);

export type Ranked = { readonly rank: number; readonly account: Account; readonly victoryCount: number };

/** Players with counters by victories, equal ones sharing a rank, the older account first among them. */
export async function leaderboard(core: Core, limit: number): Promise<Ranked[]> {
  const rows = await best(core.db).all({ limit });
  let rank = 0;
  let previous = -1;
  return rows.map((row, index) => {
    if (row.victoryCount !== previous) rank = index + 1;
    previous = row.victoryCount;
    return { rank, ...row };
  });
}
