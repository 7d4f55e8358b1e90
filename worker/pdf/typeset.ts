import { type Canvas, type Color, fill, n, stroke } from "./canvas.ts";
import { splitGraphemes } from "./clean.ts";
import { isSingleWeight, type Weight } from "./fonts.ts";
import { type FontId, type Shaped, type ShapedGlyph, type ShapedRun, shape } from "./shape.ts";

/** The glyphs of one font that one document uses; an embedded font's codes are their places here, from 1. */
export type FontUse = {
  readonly resource: string;
  readonly glyphs: ShapedGlyph[];
  readonly codes: Map<string, number>;
};

/** One document's text state. */
export type Typesetter = {
  readonly canvas: Canvas;
  readonly standard: boolean;
  readonly fonts: Map<FontId, FontUse>;
};

export type TextStyle = {
  readonly size: number;
  readonly color: Color;
  readonly weight?: Weight;
  readonly align?: "left" | "center" | "right";
  /** Added after each glyph, in thousandths of the size. */
  readonly tracking?: number;
  /** Sets runs of five and more digits apart in threes. */
  readonly figures?: boolean;
  /** Too long a text is first set smaller, down to `minSize`, then cut with an ellipsis. */
  readonly maxWidth?: number;
  readonly minSize?: number;
};

/** Stroke width by font size. */
const BOLDING = 0.03;
/** In thousandths: seen as a gap, and below the tenth of the size that text extraction takes for a space. */
const DIGIT_GAP = 95;

/** Draws the text on a baseline; `x` is its left end, middle or right end. Returns the drawn width. */
export function drawText(type: Typesetter, text: string, x: number, y: number, style: TextStyle): number {
  const fitted = fit(type, text, style);
  const width = (fitted.shaped.width * fitted.size) / 1000;
  const left = style.align === "right" ? x - width : style.align === "center" ? x - width / 2 : x;
  const operators = [`BT ${fill(style.color)} 1 0 0 1 ${n(left)} ${n(type.canvas.height - y)} Tm`];
  for (const run of fitted.shaped.runs) {
    const use = useFont(type, run.font);
    const set = `/${use.resource} ${n(fitted.size)} Tf ${showRun(run, use, fitted.size)}`;
    // Outlines that come in one weight are stroked as well, so that they hold their own in a bold line.
    const thin = style.weight === "bold" && isSingleWeight(run.font);
    operators.push(thin ? `2 Tr ${n(fitted.size * BOLDING)} w ${stroke(style.color)} ${set} 0 Tr` : set);
  }
  type.canvas.operators.push(`${operators.join(" ")} ET`);
  return width;
}

/** The width that `drawText` will take. */
export function measureText(type: Typesetter, text: string, style: TextStyle): number {
  const { shaped, size } = fit(type, text, style);
  return (shaped.width * size) / 1000;
}

/** The size that `drawText` will use. */
export function fittedSize(type: Typesetter, text: string, style: TextStyle): number {
  return fit(type, text, style).size;
}

function fit(type: Typesetter, text: string, style: TextStyle): { shaped: Shaped; size: number } {
  const set = (part: string) => spaced(shape(part, style.weight ?? "regular", type.standard), style);
  const whole = set(text);
  const { size, maxWidth = Number.POSITIVE_INFINITY, minSize = size } = style;
  const fitting = (maxWidth * 1000) / whole.width;
  if (fitting >= minSize) return { shaped: whole, size: Math.min(size, Math.floor(fitting * 100) / 100) };
  return { shaped: cut(text, whole.width, (maxWidth * 1000) / minSize, set), size: minSize };
}

/** The longest beginning that fits, to less than an average character. */
function cut(text: string, width: number, maxWidth: number, set: (part: string) => Shaped): Shaped {
  const parts = splitGraphemes(text);
  let [low, high] = [0, parts.length - 1];
  let best = set(shortened(parts, 0));
  // Shaping costs up to 10 ms for a long text, so the lengths to try are worked out from the widths.
  let length = Math.floor((parts.length * maxWidth) / width);
  while (low < high) {
    length = Math.min(high, Math.max(low + 1, length));
    const tried = set(shortened(parts, length));
    const average = tried.width / (length + 1);
    const room = Math.floor((maxWidth - tried.width) / average);
    if (room < 0) high = length - 1;
    else [low, best] = [length, tried];
    if (room === 0) break;
    length += room;
  }
  return best;
}

function shortened(parts: readonly string[], length: number): string {
  return `${parts.slice(0, length).join("").trimEnd()}\u2026`;
}

function spaced(shaped: Shaped, style: TextStyle): Shaped {
  const { tracking = 0, figures = false } = style;
  if (tracking === 0 && !figures) return shaped;
  let width = 0;
  const runs = shaped.runs.map((run) => {
    const gaps = figures ? digitGaps(run.glyphs) : null;
    const glyphs = run.glyphs.map((glyph, i) => {
      const advance = glyph.advance + tracking + (gaps?.has(i) ? DIGIT_GAP : 0);
      width += advance;
      return { ...glyph, advance };
    });
    return { font: run.font, glyphs };
  });
  return { runs, width };
}

/** After which glyphs of long numbers a gap comes. */
function digitGaps(glyphs: readonly ShapedGlyph[]): Set<number> {
  const gaps = new Set<number>();
  let start = 0;
  for (let i = 0; i <= glyphs.length; i++) {
    if (/^\d$/.test(glyphs[i]?.text ?? "")) continue;
    if (i - start >= 5) for (let at = i - 4; at >= start; at -= 3) gaps.add(at);
    start = i + 1;
  }
  return gaps;
}

function useFont(type: Typesetter, font: FontId): FontUse {
  const known = type.fonts.get(font);
  if (known) return known;
  const use = { resource: `F${type.fonts.size + 1}`, glyphs: [], codes: new Map<string, number>() };
  type.fonts.set(font, use);
  return use;
}

function showRun(run: ShapedRun, use: FontUse, size: number): string {
  const standard = run.font === "Helvetica" || run.font === "Helvetica-Bold";
  const parts: string[] = [];
  let [open, shift, rise] = ["", 0, 0];
  let array: string[] = [];
  const flush = () => {
    if (open) array.push(`<${open}>`);
    if (array.length > 0) parts.push(`[${array.join("")}] TJ`);
    [open, array] = ["", []];
  };
  for (const glyph of run.glyphs) {
    if (glyph.dy !== rise) {
      flush();
      rise = glyph.dy;
      parts.push(`${n((rise * size) / 1000)} Ts`);
    }
    shift -= glyph.dx;
    if (Math.abs(shift) >= 0.5) {
      if (open) array.push(`<${open}>`);
      array.push(n(Math.round(shift)));
      shift -= Math.round(shift);
      open = "";
    }
    open += standard ? byte(glyph.code) : codeOf(use, glyph);
    shift += glyph.dx + glyph.width - glyph.advance;
  }
  if (Math.abs(shift) >= 0.5) {
    array.push(open ? `<${open}>` : "", n(Math.round(shift)));
    open = "";
  }
  flush();
  if (rise !== 0) parts.push("0 Ts");
  return parts.join(" ");
}

/** Two characters that share an outline get two codes, so that each is found as what was written. */
function codeOf(use: FontUse, glyph: ShapedGlyph): string {
  const key = `${glyph.code}:${glyph.text}`;
  let code = use.codes.get(key);
  if (code === undefined) {
    code = use.glyphs.push(glyph);
    use.codes.set(key, code);
  }
  return byte(code >> 8) + byte(code & 255);
}

function byte(value: number): string {
  return value.toString(16).padStart(2, "0");
}
