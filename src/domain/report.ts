import type { Account } from "./accounts.ts";
import type { Core } from "./core.ts";
import * as games from "./games.ts";
import * as statistics from "./statistics.ts";

export type ReportGame = {
  readonly role: string;
  readonly result: "win" | "loss" | "draw";
  readonly durationSeconds: number;
  /** Milliseconds since 1970. */
  readonly playedAt: number;
};

/** What a statistics document shows; as plain JSON it is what the task row keeps and the renderer gets. */
export type Report = {
  readonly version: 1;
  readonly taskId: string;
  /** The drawn badge is made from it. */
  readonly accountUuid: string;
  readonly username: string;
  /** Null where the account has none. */
  readonly fullName: string | null;
  /** When the figures were read, milliseconds since 1970; also the document's only date. */
  readonly madeAt: number;
  readonly counters: {
    readonly victoryCount: number;
    readonly lossCount: number;
    readonly sessionCount: number;
    readonly totalTimeSeconds: number;
  };
  /** Oldest first, at most 200: what the chart is drawn from; the last ten make the table. */
  readonly games: readonly ReportGame[];
};

const CHART_GAMES = 200;

/** Reads a player's figures as they are now. Never an e-mail address: documents are shared. */
export async function read(core: Core, taskId: string, account: Account): Promise<Report> {
  const [counters, newest] = await Promise.all([
    statistics.read(core, account.id),
    games.newest(core, account.id, CHART_GAMES),
  ]);
  return {
    version: 1,
    taskId,
    accountUuid: account.uuid,
    username: account.username,
    fullName: account.fullName,
    madeAt: core.clock(),
    counters,
    games: newest
      .map(({ role, result, durationSeconds, playedAt }) => ({ role, result, durationSeconds, playedAt }))
      .reverse(),
  };
}
