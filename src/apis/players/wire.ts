import type { Account } from "../../domain/accounts.ts";
import type { Game } from "../../domain/games.ts";
import type { Counters } from "../../domain/statistics.ts";

/** `email` is null where the viewer may not see it. */
export const user = (account: Account, email: string | null) => ({
  email,
  gender: account.sex,
  profile_pic: account.avatarUrl,
  self: `/users/${account.id}`,
  stats: `/users/${account.id}/stats`,
  username: account.username,
});

export const stats = (counters: Counters) => ({
  loss_count: counters.lossCount,
  session_count: counters.sessionCount,
  total_time: counters.totalTimeSeconds,
  victory_count: counters.victoryCount,
});

export const game = (row: Game) => ({
  id: row.id,
  role: row.role,
  result: row.result,
  duration: row.durationSeconds,
  played_at: new Date(row.playedAt).toISOString(),
});
