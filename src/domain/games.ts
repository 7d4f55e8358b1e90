import { and, desc, eq, lt } from "drizzle-orm";
import { GAME_RESULTS, games } from "../../db/schema.ts";
import { type Account, getActive } from "./accounts.ts";
import type { Core } from "./core.ts";
import * as permissions from "./permissions.ts";
import * as statistics from "./statistics.ts";

export { GAME_RESULTS };
export type Game = typeof games.$inferSelect;
export type NewGame = Pick<Game, "role" | "result" | "durationSeconds"> & {
  /** Milliseconds since 1970; now, when absent. */
  readonly playedAt?: number;
};

/**
 * Stores a game and moves the player's counters, both or neither. As permissions.requireToWrite. Throws `forbidden`,
 * `accountNotFound`.
 */
export async function record(
  core: Core,
  actor: Account,
  accountId: number,
  game: NewGame,
  address?: string,
): Promise<Game> {
  await permissions.requireToWrite(core, actor, accountId);
  const account = await getActive(core, accountId);
  const [[stored]] = await core.db.batch([
    core.db
      .insert(games)
      .values({ playedAt: core.clock(), ...game, accountId })
      .returning(),
    statistics.adding(core, accountId, {
      victoryCount: game.result === "win" ? 1 : 0,
      lossCount: game.result === "loss" ? 1 : 0,
      sessionCount: 1,
      totalTimeSeconds: game.durationSeconds,
    }),
    ...statistics.recordingChanged(core, actor, account, { game }, address),
  ]);
  if (stored === undefined) throw new Error("an INSERT ... RETURNING gave no row");
  return stored;
}

/** Newest first, those with a number below `before`. Throws `accountNotFound`. */
export async function list(core: Core, accountId: number, limit: number, before?: number): Promise<Game[]> {
  await getActive(core, accountId);
  return newest(core, accountId, limit, before);
}

/** As list, of an account known to exist. */
export function newest(core: Core, accountId: number, limit: number, before?: number): Promise<Game[]> {
  return core.db
    .select()
    .from(games)
    .where(and(eq(games.accountId, accountId), before === undefined ? undefined : lt(games.id, before)))
    .orderBy(desc(games.id))
    .limit(limit);
}
