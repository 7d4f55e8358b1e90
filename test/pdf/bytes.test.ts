import { expect, test } from "bun:test";
import { join } from "node:path";
import { renderReport } from "../../worker/pdf/render.ts";
import { seeded, someGames, someReport } from "./reports.ts";

const REPORTS = {
  standard: someReport(),
  embedded: someReport({ username: "\u0412\u0435\u0440\u0430", fullName: "\u738b\u5c0f\u660e \u0628\u062a" }),
};

test("the same report gives the same bytes, whatever was rendered before", async () => {
  for (const report of Object.values(REPORTS)) {
    const first = await renderReport(report);
    await renderReport(someReport({ username: "\u0410BC \u062a\u0628 \u660e\u738b", games: someGames(200) }));
    expect(Buffer.from(await renderReport(report)).equals(first)).toBe(true);
  }
});

test("another process makes the same bytes", async () => {
  const script = `
    import { renderReport } from ${JSON.stringify(join(import.meta.dir, "../../worker/pdf/render.ts"))};
    const bytes = await renderReport(JSON.parse(await Bun.stdin.text()));
    await Bun.write(Bun.stdout, bytes);`;
  for (const report of Object.values(REPORTS)) {
    const child = Bun.spawn([process.execPath, "-e", script], {
      stdin: new Blob([JSON.stringify(report)]),
      stdout: "pipe",
      env: { TZ: "Asia/Tokyo", LANG: "de_DE.UTF-8" },
    });
    const bytes = await new Response(child.stdout).bytes();
    expect(Buffer.from(await renderReport(report)).equals(bytes)).toBe(true);
  }
}, 120_000);

test("reports at the same time do not mix", async () => {
  const alone = await renderReport(REPORTS.embedded);
  const [, together] = await Promise.all([
    renderReport(someReport({ username: "\u043c\u0430\u043a\u0441" })),
    renderReport(REPORTS.embedded),
  ]);
  expect(Buffer.from(together).equals(alone)).toBe(true);
});

test("figures that no clock and no counter can have still make a document", async () => {
  const wrong = Number.NaN;
  const counters = { victoryCount: -1, lossCount: wrong, sessionCount: 1e300, totalTimeSeconds: wrong };
  const games = someGames(3).map((game) => ({ ...game, playedAt: 1e300, durationSeconds: wrong }));
  expect((await renderReport(someReport({ madeAt: wrong, counters, games }))).length).toBeGreaterThan(1_000);
});

test("no text stops a document", async () => {
  const ranges: readonly (readonly [from: number, to: number])[] = [
    [0x00, 0x7f],
    [0x300, 0x36f],
    [0x590, 0x77f],
    [0x900, 0x97f],
    [0x1100, 0x11ff],
    [0x1ab0, 0x1aff],
    [0x2000, 0x2bff],
    [0x3040, 0x30ff],
    [0xac00, 0xdfff],
    [0xfb00, 0xffff],
    [0x1f000, 0x1faff],
    [0x00, 0x10ffff],
  ];
  const next = seeded(20_261_003);
  const randomText = () => {
    const length = 1 + next(16);
    let text = "";
    for (let i = 0; i < length; i++) {
      const [from, to] = ranges[next(ranges.length)] ?? [0, 0];
      text += String.fromCodePoint(from + next(to - from + 1));
    }
    return text;
  };
  for (let i = 0; i < 150; i++) {
    const report = someReport({
      username: randomText(),
      fullName: randomText(),
      games: someGames(10).map((game) => ({ ...game, role: randomText() })),
    });
    const bytes = await renderReport(report).catch((cause) => {
      throw new Error(`no document for ${JSON.stringify(report)}`, { cause });
    });
    expect(Buffer.from(bytes.subarray(0, 5)).toString()).toBe("%PDF-");
  }
}, 120_000);
