import type { Report } from "../../src/domain/report.ts";
import { type Color, dot, fillRect, fillRects, type Point, polygon, polyline, type Rect } from "./canvas.ts";
import { formatBalance, formatDay } from "./format.ts";
import { FAINT, INK, LINE, MUTED, RESULT_COLORS, TEXT, WHITE } from "./palette.ts";
import { drawText, measureText, type Typesetter } from "./typeset.ts";

type Box = { readonly x: number; readonly y: number; readonly w: number; readonly h: number };

/** Above this many games the line carries no marks; the strip below it still shows each game. */
const MAX_MARKS = 40;
const STRIP_HEIGHT = 15;
const POINTS = { win: 1, loss: -1, draw: 0 } as const;
const AREA = [0.91, 0.925, 0.96] as const;

/** Wins minus losses after each game, oldest at the left, and below it one tick per game. */
export function drawChart(type: Typesetter, games: Report["games"], box: Box): void {
  const { canvas } = type;
  if (games.length === 0) {
    drawText(type, "No games yet", box.x + box.w / 2, box.y + box.h / 2 - 2, {
      size: 12,
      weight: "bold",
      color: FAINT,
      align: "center",
    });
    drawText(type, "The first result starts the line.", box.x + box.w / 2, box.y + box.h / 2 + 14, {
      size: 8.5,
      color: FAINT,
      align: "center",
    });
    return;
  }
  const balances = [0];
  for (const game of games) balances.push((balances.at(-1) ?? 0) + POINTS[game.result]);
  const [low, high] = [Math.min(...balances), Math.max(...balances, 1)];
  const label = { size: 7.5, color: MUTED } as const;
  const gutter = 8 + Math.max(...[low, high].map((tick) => measureText(type, formatBalance(tick), label)));
  const plot = { x: box.x + gutter, y: box.y + 4, w: box.w - gutter - 26, h: box.h - STRIP_HEIGHT - 32 };
  const xAt = (i: number) => plot.x + (plot.w * i) / games.length;
  const yAt = (balance: number) => plot.y + (plot.h * (high - balance)) / (high - low);

  const ticks = new Set([high, 0, low]);
  for (const tick of ticks) {
    // The top and bottom labels matter more than a zero that would touch them.
    if (tick === 0 && ticks.size === 3 && Math.min(yAt(low) - yAt(0), yAt(0) - yAt(high)) < 9) continue;
    drawText(type, formatBalance(tick), plot.x - 6, yAt(tick) + 2.6, { ...label, align: "right" });
    fillRect(canvas, plot.x, yAt(tick) - 0.25, plot.w, 0.5, LINE);
  }
  const line: Point[] = balances.map((balance, i) => [xAt(i), yAt(balance)]);
  polygon(canvas, [[plot.x, yAt(0)], ...line, [plot.x + plot.w, yAt(0)]], { fill: AREA });
  fillRect(canvas, plot.x, yAt(0) - 0.3, plot.w, 0.6, FAINT);
  polyline(canvas, line, INK, games.length > 100 ? 1.2 : 1.6);
  if (games.length <= MAX_MARKS) {
    games.forEach((game, i) => {
      mark(type, at(line, i + 1), RESULT_COLORS[game.result]);
    });
  }
  const [endX, endY] = at(line, games.length);
  if (games.length > MAX_MARKS) mark(type, [endX, endY], INK);
  drawText(type, formatBalance(balances.at(-1) ?? 0), endX + 6, endY + 3, {
    size: 9,
    weight: "bold",
    color: TEXT,
  });
  drawStrip(type, games, { x: plot.x, y: plot.y + plot.h + 9, w: plot.w, h: STRIP_HEIGHT });
  const [first, last] = [formatDay(games[0]?.playedAt ?? 0), formatDay(games.at(-1)?.playedAt ?? 0)];
  const y = box.y + box.h;
  drawText(type, first, plot.x, y, label);
  if (last !== first) drawText(type, last, plot.x + plot.w, y, { ...label, align: "right" });
}

/** Wins stand above the middle, losses hang below it, draws lie on it: readable without the colours. */
function drawStrip(type: Typesetter, games: Report["games"], box: Box): void {
  const slot = box.w / games.length;
  const width = Math.min(6, slot * 0.72);
  const middle = box.y + box.h / 2;
  fillRect(type.canvas, box.x, middle - 0.25, box.w, 0.5, LINE);
  const rects: Record<Report["games"][number]["result"], Rect[]> = { win: [], loss: [], draw: [] };
  games.forEach(({ result }, i) => {
    const x = box.x + slot * (i + 1) - width / 2;
    if (result === "win") rects.win.push([x, box.y, width, box.h / 2 - 0.6]);
    else if (result === "loss") rects.loss.push([x, middle + 0.6, width, box.h / 2 - 0.6]);
    else rects.draw.push([x, middle - 1, width, 2]);
  });
  fillRects(type.canvas, rects.win, RESULT_COLORS.win);
  fillRects(type.canvas, rects.loss, RESULT_COLORS.loss);
  fillRects(type.canvas, rects.draw, RESULT_COLORS.draw);
}

function mark(type: Typesetter, [x, y]: Point, color: Color): void {
  dot(type.canvas, x, y, 3, WHITE);
  dot(type.canvas, x, y, 2.2, color);
}

function at(line: readonly Point[], i: number): Point {
  return line[i] ?? [0, 0];
}
