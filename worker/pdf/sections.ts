import type { Report } from "../../src/domain/report.ts";
import { drawBadge, identify } from "./badge.ts";
import { arc, type Color, clipped, dot, fillRect, ring, roundRect } from "./canvas.ts";
import { drawChart } from "./chart.ts";
import * as format from "./format.ts";
import {
  FAINT,
  hsl,
  INK,
  LINE,
  LOSS,
  MUTED,
  ON_INK,
  RESULT_COLORS,
  RESULT_WORDS,
  SOFT,
  TEXT,
  WHITE,
  WIN,
} from "./palette.ts";
import { drawText, fittedSize, measureText, type Typesetter } from "./typeset.ts";

export const PAGE = { width: 595.28, height: 841.89 } as const;
export const TABLE_ROWS = 10;

const LEFT = 44;
const WIDTH = PAGE.width - 2 * LEFT;
const RIGHT = LEFT + WIDTH;
const GAP = 12;
/** Leaves room before the next column. */
const ROLE_WIDTH = 222;
const HEADER_HEIGHT = 164;
const BADGE = 96;
const MIN_UNIT_SIZE = 6;
const COLUMN = (WIDTH - 3 * GAP) / 4;

/** What of a report is drawn, cleaned: the caller has to know all texts before it can choose the fonts. */
export type Texts = {
  readonly name: string;
  readonly fullName: string | null;
  readonly roles: readonly string[];
  readonly taskId: string;
};

export function drawHeader(type: Typesetter, report: Report, texts: Texts): void {
  const { canvas } = type;
  const identity = identify(report.accountUuid);
  fillRect(canvas, 0, 0, PAGE.width, HEADER_HEIGHT, INK);
  fillRect(canvas, 0, HEADER_HEIGHT, PAGE.width, 4, hsl(identity.hue, 0.55, 0.52));
  drawBadge(canvas, identity, LEFT, (HEADER_HEIGHT - BADGE) / 2, BADGE);
  const x = LEFT + BADGE + 26;
  const width = RIGHT - x;
  const shift = texts.fullName === null ? 8 : 0;
  drawText(type, "PLAYER STATISTICS", x, 47 + shift, {
    size: 8,
    weight: "bold",
    color: hsl(identity.hue, 0.6, 0.72),
    tracking: 90,
  });
  const nameStyle = { size: 32, minSize: 17, maxWidth: width, weight: "bold", color: WHITE } as const;
  const nameBase = 81 + shift - (nameStyle.size - fittedSize(type, texts.name, nameStyle)) * 0.25;
  // The clips are for names whose marks reach far above and below the line.
  clipped(canvas, x - 4, 48 + shift, width + 8, 46, () => {
    drawText(type, texts.name, x - 1, nameBase, nameStyle);
  });
  const fullName = texts.fullName;
  if (fullName !== null) {
    clipped(canvas, x - 4, 89, width + 8, 22, () => {
      drawText(type, fullName, x, 104, { size: 12.5, minSize: 10, maxWidth: width, color: ON_INK });
    });
  }
  const made = `As of ${format.formatInstant(report.madeAt, "minute")}`;
  drawText(type, made, x, 124 - shift, { size: 9, color: ON_INK });
}

export function drawCounters(type: Typesetter, counters: Report["counters"]): void {
  const tiles: readonly (readonly [label: string, value: string, color: Color])[] = [
    ["Victories", format.formatCount(counters.victoryCount), WIN],
    ["Losses", format.formatCount(counters.lossCount), LOSS],
    ["Games", format.formatCount(counters.sessionCount), INK],
    ["Time played", format.formatDuration(counters.totalTimeSeconds), INK],
  ];
  tiles.forEach(([label, value, color], i) => {
    const x = LEFT + i * (COLUMN + GAP);
    roundRect(type.canvas, x, 190, COLUMN, 66, 7, { fill: SOFT });
    dot(type.canvas, x + 15.6, 208.2, 2.6, color);
    drawText(type, label, x + 22.5, 211, { size: 8.5, color: MUTED });
    drawQuantity(type, value, x + 13, 242, COLUMN - 25);
  });
}

export function drawResults(type: Typesetter, report: Report): void {
  const [y, h] = [256 + GAP, 212];
  panel(type, LEFT, y, COLUMN, h, "Win rate", "");
  drawRing(type, report.counters, LEFT + COLUMN / 2, y + 90);
  const x = LEFT + COLUMN + GAP;
  const count = report.games.length;
  const span = count === 0 ? "" : count === 1 ? "one game" : `last ${count} games`;
  panel(type, x, y, RIGHT - x, h, "Wins minus losses", span);
  drawChart(type, report.games, { x: x + 14, y: y + 36, w: RIGHT - x - 28, h: h - 50 });
}

export function drawTable(type: Typesetter, games: Report["games"], roles: readonly string[]): void {
  const top = 514;
  const columns = {
    date: LEFT,
    role: LEFT + COLUMN + GAP,
    result: LEFT + 3 * (COLUMN + GAP) - 22,
    duration: RIGHT,
  };
  drawText(type, "Latest games", LEFT, top, { size: 11, weight: "bold", color: INK });
  const head = { size: 7.5, color: MUTED } as const;
  drawText(type, "Date (UTC)", columns.date, top + 20, head);
  drawText(type, "Role", columns.role, top + 20, head);
  drawText(type, "Result", columns.result, top + 20, head);
  drawText(type, "Duration", columns.duration, top + 20, { ...head, align: "right" });
  fillRect(type.canvas, LEFT, top + 26, WIDTH, 0.8, FAINT);
  if (games.length === 0) {
    drawText(type, "No games yet", LEFT, top + 44, { size: 9.5, color: FAINT });
    return;
  }
  const cell = { size: 9.5, color: TEXT } as const;
  games.forEach((game, i) => {
    const y = top + 41 + i * 22.5;
    if (i > 0) fillRect(type.canvas, LEFT, y - 14.6, WIDTH, 0.5, LINE);
    drawText(type, format.formatInstant(game.playedAt, "minute").replace(" UTC", ""), columns.date, y, cell);
    clipped(type.canvas, columns.role, y - 14, ROLE_WIDTH, 22, () => {
      drawText(type, roles[i] ?? "", columns.role, y, { ...cell, maxWidth: ROLE_WIDTH });
    });
    dot(type.canvas, columns.result + 3, y - 3.3, 2.8, RESULT_COLORS[game.result]);
    drawText(type, RESULT_WORDS[game.result], columns.result + 11, y, cell);
    drawText(type, format.formatGameDuration(game.durationSeconds), columns.duration, y, {
      ...cell,
      align: "right",
      maxWidth: 100,
      minSize: 5,
      figures: true,
    });
  });
}

export function drawFooter(type: Typesetter, madeAt: number, taskId: string): void {
  const y = PAGE.height - 30;
  fillRect(type.canvas, LEFT, y - 13, WIDTH, 0.5, LINE);
  const style = { size: 7, color: MUTED } as const;
  drawText(type, `Made ${format.formatInstant(madeAt, "second")}`, LEFT, y, style);
  drawText(type, `Task ${taskId}`, RIGHT, y, { ...style, align: "right", maxWidth: 330, minSize: 4 });
}

function drawRing(type: Typesetter, counters: Report["counters"], x: number, y: number): void {
  const [radius, width] = [41, 11];
  const rate = format.winRate(counters.victoryCount, counters.lossCount);
  ring(type.canvas, x, y, radius, rate === null ? LINE : LOSS, width);
  if (rate !== null && rate > 0) {
    if (rate < 1) arc(type.canvas, [x, y], radius, 0, rate, WHITE, width + 0.4);
    arc(
      type.canvas,
      [x, y],
      radius,
      rate < 1 ? 0.006 : 0,
      rate < 1 ? Math.max(0.008, rate - 0.006) : 1,
      WIN,
      width,
    );
  }
  drawText(type, format.formatWinRate(counters.victoryCount, counters.lossCount), x, y + 6, {
    size: 17,
    weight: "bold",
    color: INK,
    align: "center",
  });
  const legend = [
    ["won", counters.victoryCount, WIN],
    ["lost", counters.lossCount, LOSS],
  ] as const;
  legend.forEach(([word, count, color], i) => {
    const line = y + 82 + i * 16;
    dot(type.canvas, x - COLUMN / 2 + 16.8, line - 3, 2.8, color);
    drawText(type, word, x - COLUMN / 2 + 24, line, { size: 8.5, color: MUTED });
    drawText(type, format.formatCount(count), x + COLUMN / 2 - 14, line, {
      size: 8.5,
      weight: "bold",
      color: TEXT,
      align: "right",
      maxWidth: 60,
      minSize: 5,
      figures: true,
    });
  });
}

/** Figures large, their units small: "73 h 05 min". */
function drawQuantity(type: Typesetter, value: string, x: number, y: number, maxWidth: number): void {
  const parts = value.split(/(?<=\d)(?= [a-z])|(?<=[a-z])(?= \d)/);
  const styles = (scale: number) =>
    parts.map((part) =>
      /[a-z]/.test(part)
        ? ({ size: Math.max(MIN_UNIT_SIZE, 11 * scale), color: MUTED } as const)
        : ({ size: 22 * scale, weight: "bold", color: INK, figures: true } as const),
    );
  let width = 0;
  styles(1).forEach((style, i) => {
    width += measureText(type, parts[i] ?? "", style);
  });
  let at = x;
  styles(Math.min(1, maxWidth / width)).forEach((style, i) => {
    at += drawText(type, parts[i] ?? "", at, y, style);
  });
}

function panel(
  type: Typesetter,
  x: number,
  y: number,
  w: number,
  h: number,
  title: string,
  note: string,
): void {
  roundRect(type.canvas, x, y, w, h, 7, { stroke: LINE, width: 0.8 });
  drawText(type, title, x + 14, y + 21, { size: 10, weight: "bold", color: INK });
  if (note) drawText(type, note, x + w - 14, y + 21, { size: 8, color: MUTED, align: "right" });
}
