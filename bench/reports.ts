import type { Report, ReportGame } from "../src/domain/report.ts";

const RESULTS = ["win", "loss", "win", "draw", "loss"] as const;

/** A report as big as they get. */
export function sampleReport(username: string, gamesPlayed = 200): Report {
  const games = Array.from(
    { length: gamesPlayed },
    (_, index): ReportGame => ({
      role: ["Mage", "Rogue", "Knight"][index % 3] ?? "",
      result: RESULTS[index % RESULTS.length] ?? "draw",
      durationSeconds: 600 + index,
      playedAt: Date.UTC(2026, 4, 1, 18, index),
    }),
  );
  return {
    version: 1,
    taskId: Bun.randomUUIDv7(),
    accountUuid: Bun.randomUUIDv7(),
    username,
    fullName: null,
    madeAt: Date.UTC(2026, 9, 3, 18, 5, 9),
    counters: { victoryCount: 58, lossCount: 41, sessionCount: 103, totalTimeSeconds: 263_112 },
    games,
  };
}
