import type { Report, ReportGame } from "../../src/domain/report.ts";

const ROLES = ["Mage", "Rogue", "Knight"] as const;
const RESULTS = ["win", "win", "loss", "win", "draw", "loss"] as const;

export function someGames(count: number, role?: string): ReportGame[] {
  return Array.from({ length: count }, (_, i) => ({
    role: role ?? ROLES[i % ROLES.length] ?? "",
    result: RESULTS[i % RESULTS.length] ?? "draw",
    durationSeconds: 600 + i,
    playedAt: Date.UTC(2026, 4, 1, 18, i),
  }));
}

export function someReport(changes: Partial<Report> = {}): Report {
  return {
    version: 1,
    taskId: "0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
    accountUuid: "0199a1b2-0000-7000-8000-0c1d2e3f4a5c",
    username: "grace_hopper",
    fullName: "Grace Hopper",
    madeAt: Date.UTC(2026, 9, 3, 18, 5, 9),
    counters: { victoryCount: 58, lossCount: 41, sessionCount: 103, totalTimeSeconds: 263_112 },
    games: someGames(24),
    ...changes,
  };
}

/** A generator of the same numbers in every run, from 0 up to a bound. */
export function seeded(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 4_294_967_296) * bound);
  };
}
