import { describe, expect, test } from "bun:test";
import type { Report } from "../../src/domain/report.ts";
import { hasPoppler, see } from "./poppler.ts";
import { someGames, someReport } from "./reports.ts";

const MAX = Number.MAX_SAFE_INTEGER;

describe.skipIf(!hasPoppler)("a statistics document", () => {
  test("is one A4 page that shows what the report says", async () => {
    const { text, info, errors } = await see(someReport());
    expect(errors).toBe("");
    expect(info).toMatch(/^Pages: +1$/m);
    expect(info).toMatch(/^Page size: .*\(A4\)$/m);
    expect(info).toContain("Player statistics: grace_hopper");
    for (const part of [
      "PLAYER STATISTICS",
      "grace_hopper",
      "Grace Hopper",
      "As of 2026-10-03 18:05 UTC",
      "Made 2026-10-03 18:05:09 UTC",
      "Task 0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
      "58",
      "41",
      "103",
      "73 h 05 min",
      "58.6%",
      "2026-05-01 18:23",
      "10 min 23 s",
      "last 24 games",
    ]) {
      expect(text).toContain(part);
    }
  });

  test("lists the last ten games, the newest first", async () => {
    const { text } = await see(someReport());
    const dates = Array.from(text.matchAll(/2026-05-01 \d\d:\d\d/g), ([date]) => date);
    expect(dates).toEqual(Array.from({ length: 10 }, (_, i) => `2026-05-01 18:${23 - i}`));
  });

  test.each([0, 1, 2, 39, 200])("stays one page with %i games", async (count) => {
    const { info, text, errors } = await see(someReport({ games: someGames(count) }));
    expect(errors).toBe("");
    expect(info).toMatch(/^Pages: +1$/m);
    if (count === 0) expect(text).toContain("No games yet");
    expect([...text.matchAll(/2026-05-01 \d\d:\d\d/g)]).toHaveLength(Math.min(10, count));
  });

  test("shows every digit of the largest counters, and as one number", async () => {
    const counters = { victoryCount: MAX, lossCount: MAX, sessionCount: MAX, totalTimeSeconds: MAX };
    for (const username of ["max", "\u043c\u0430\u043a\u0441"]) {
      const games = someGames(10).map((game) => ({ ...game, durationSeconds: MAX }));
      const { text } = await see(someReport({ username, counters, games }));
      expect(text.match(/9007199254740991/g) ?? []).toHaveLength(5);
      expect(text.match(/2501999792983 h 36 min/g) ?? []).toHaveLength(11);
      expect(text).toContain("50.0%");
    }
  });

  test("never rounds a win rate to all or nothing", async () => {
    const shown = async (victoryCount: number, lossCount: number) =>
      (
        await see(someReport({ counters: { ...someReport().counters, victoryCount, lossCount }, games: [] }))
      ).text.match(/[\d.]+%/)?.[0];
    expect(await shown(99_999, 1)).toBe("99.9%");
    expect(await shown(1, 99_999)).toBe("0.1%");
    expect(await shown(3, 0)).toBe("100%");
    expect(await shown(0, 3)).toBe("0%");
    expect(await shown(0, 0)).toBeUndefined();
  });

  test("embeds nothing where the standard fonts have every character", async () => {
    const { fonts } = await see(someReport({ username: "J\u00fcrgen \u00d8 \u20ac" }));
    expect(fonts).toMatch(/^Helvetica-Bold .* no +no +no /m);
    expect(fonts).not.toContain("TrueType");
  });

  test("embeds the used outlines only", async () => {
    const { fonts } = await see(someReport({ username: "\u0412\u0435\u0440\u0430" }));
    expect(fonts).toMatch(/^[A-Z]{6}\+NotoSans-Bold +CID TrueType +Identity-H +yes yes yes/m);
    expect(fonts).toMatch(/^[A-Z]{6}\+NotoSans-Regular +CID TrueType +Identity-H +yes yes yes/m);
    expect(fonts).not.toMatch(/ no (yes|no) +yes /);
  });

  const names: readonly (readonly [what: string, username: string, found: string])[] = [
    [
      "Cyrillic",
      "\u0412\u0435\u0440\u0430 \u0401\u043b\u043a\u0438\u043d\u0430",
      "\u0412\u0435\u0440\u0430 \u0401\u043b\u043a\u0438\u043d\u0430",
    ],
    ["Greek", "\u03a9\u03bc\u03ad\u03b3\u03b1", "\u03a9\u03bc\u03ad\u03b3\u03b1"],
    [
      "Hebrew",
      "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
      "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    ],
    [
      "Arabic letters that share an outline",
      "\u0628\u062a \u062a\u0628 \u062b\u0646",
      "\u0628\u062a \u062a\u0628 \u062b\u0646",
    ],
    ["Arabic with Latin and digits", "\u0645\u062d\u0645\u062f Ace 42", "Ace 42 \u0645\u062d\u0645\u062f"],
    ["Chinese", "\u738b\u5c0f\u660e", "\u738b\u5c0f\u660e"],
    ["Japanese", "\u305f\u308d\u3046 \u30bf\u30ed\u30a6", "\u305f\u308d\u3046 \u30bf\u30ed\u30a6"],
    ["Korean with a space", "\uae40 \ucca0\uc218", "\uae40 \ucca0\uc218"],
    ["Devanagari", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0928\u092e\u0938\u094d\u0924\u0947"],
    ["symbols", "\u2605 Ann \u2665", "\u2605 Ann \u2665"],
    ["a joined emoji", "Ann \ud83d\udc69\u200d\ud83d\udc67 Lee", "Ann \u25a1 Lee"],
    ["a flag", "Ann \ud83c\udde9\ud83c\uddea", "Ann \u25a1"],
    ["a script without a font", "Ann \u{12000}", "Ann \u25a1"],
    ["a decomposed letter", "Zoe\u0308", "Zo\u00eb"],
  ];
  test.each(names)("writes %s so that it is found again", async (_, username, found) => {
    const { text, errors } = await see(someReport({ username, fullName: null }));
    expect(errors).toBe("");
    expect(text).toContain(found);
  });

  test("cuts a name of 10,000 characters and keeps its beginning", async () => {
    for (const letter of ["x", "\u0416", "\u738b", "\u0645"]) {
      const long: Partial<Report> = {
        username: letter.repeat(10_000),
        games: someGames(3, letter.repeat(10_000)),
      };
      const { text, info } = await see(someReport(long));
      expect(info).toMatch(/^Pages: +1$/m);
      expect(text).toContain("\u2026");
      expect(text).toContain(letter.repeat(12));
    }
  });
});
