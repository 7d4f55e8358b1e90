import type { Font, GlyphRun } from "fontkit";
import { StandardFontEmbedder } from "pdf-lib";
import { place, visualOrder } from "./bidi.ts";
import { SIGN } from "./clean.ts";
import { type FontFile, fontFor, fontOf, type Weight } from "./fonts.ts";

export type StandardFont = "Helvetica" | "Helvetica-Bold";
export type FontId = FontFile | StandardFont;

/** All lengths in thousandths of the font size. */
export type ShapedGlyph = {
  /** WinAnsi code in a standard font, glyph id in an embedded one. */
  readonly code: number;
  /** The characters it stands for; empty for the later glyphs of a cluster. */
  readonly text: string;
  /** The width that the font states. */
  readonly width: number;
  /** How far the pen moves, kerning included. */
  readonly advance: number;
  readonly dx: number;
  readonly dy: number;
};
export type ShapedRun = { readonly font: FontId; readonly glyphs: readonly ShapedGlyph[] };
export type Shaped = { readonly runs: readonly ShapedRun[]; readonly width: number };

const MAX_CACHED = 2_000;
const cache = new Map<string, Shaped>();
const SIMPLE = /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Common}\p{Script=Inherited}]/u;
const NEUTRAL = /[\p{Z}\p{P}\p{N}]/u;
const IGNORABLE = /\p{Default_Ignorable_Code_Point}/u;

/** Glyphs from left to right. The same text always gives the same glyphs, whatever was shaped before. */
export function shape(text: string, weight: Weight, standard: boolean): Shaped {
  const key = `${standard ? "s" : "e"}${weight}${text}`;
  const known = cache.get(key);
  if (known) return known;
  const runs = standard ? [shapeStandard(text, weight)] : shapeEmbedded(text, weight);
  let width = 0;
  for (const run of runs) for (const glyph of run.glyphs) width += glyph.advance;
  if (cache.size >= MAX_CACHED) cache.clear();
  const shaped = { runs, width };
  cache.set(key, shaped);
  return shaped;
}

/** Whether the standard fonts, which hold WinAnsi only, can draw every character. */
export function isWinAnsi(text: string): boolean {
  const { encoding } = standardFont("Helvetica");
  for (const character of text) {
    if (!encoding.canEncodeUnicodeCodePoint(character.codePointAt(0) ?? 0)) return false;
  }
  return true;
}

const standardFonts = new Map<StandardFont, StandardFontEmbedder>();

export function standardFont(name: StandardFont): StandardFontEmbedder {
  const known = standardFonts.get(name);
  if (known) return known;
  const made = StandardFontEmbedder.for(enumMember(name));
  standardFonts.set(name, made);
  return made;
}

/** pdf-lib takes a member of an enum that it does not export; at run time that is the font's name. */
function enumMember(name: StandardFont): Parameters<typeof StandardFontEmbedder.for>[0] {
  return name as Parameters<typeof StandardFontEmbedder.for>[0];
}

function shapeStandard(text: string, weight: Weight): ShapedRun {
  const name = weight === "bold" ? "Helvetica-Bold" : "Helvetica";
  const { encoding, font } = standardFont(name);
  const characters = [...text].map((character) => ({
    character,
    ...encoding.encodeUnicodeCodePoint(character.codePointAt(0) ?? 0),
  }));
  const glyphs = characters.map(({ character, code, name: glyph }, i) => {
    const width = font.getWidthOfGlyph(glyph) ?? 250;
    const next = characters[i + 1];
    const kerning = (next && font.getXAxisKerningForPair(glyph, next.name)) ?? 0;
    return { code, text: character, width, advance: width + kerning, dx: 0, dy: 0 };
  });
  return { font: name, glyphs };
}

type Piece = { readonly font: FontFile; readonly level: number; readonly simple: boolean; text: string };

function shapeEmbedded(text: string, weight: Weight): ShapedRun[] {
  const pieces: Piece[] = [];
  for (const { text: grapheme, level } of place(text)) {
    const last = pieces.at(-1);
    const drawn = drawable(grapheme, weight, last?.font);
    const simple = /^[\p{Script=Common}\p{Script=Inherited}]/u.test(drawn.text)
      ? (last?.simple ?? true)
      : SIMPLE.test(drawn.text);
    if (last && last.font === drawn.font && last.level === level && last.simple === simple)
      last.text += drawn.text;
    else pieces.push({ ...drawn, level, simple });
  }
  return visualOrder(pieces).map((piece) => ({ font: piece.font, glyphs: layOut(piece) }));
}

/** The grapheme, or as much of it as one font has, or the sign that stands for it. */
function drawable(grapheme: string, weight: Weight, previous: FontFile | undefined) {
  const [base = SIGN, ...marks] = grapheme;
  const file = staysWith(previous, base) ? previous : fontFor(base, weight);
  if (file === null) return { font: "dejavu", text: SIGN } as const;
  const font = fontOf(file);
  const known = marks.filter((mark) => {
    const point = mark.codePointAt(0) ?? 0;
    return IGNORABLE.test(mark) || font.hasGlyphForCodePoint(point);
  });
  return { font: file, text: base + known.join("") };
}

/** Spaces and punctuation stay with their neighbours: fewer runs, fewer embedded fonts. */
function staysWith(previous: FontFile | undefined, character: string): previous is FontFile {
  // NanumGothic's table of widths ends before its space.
  if (previous === undefined || previous === "nanum" || !NEUTRAL.test(character)) return false;
  return fontOf(previous).hasGlyphForCodePoint(character.codePointAt(0) ?? 0);
}

function layOut(piece: Piece): ShapedGlyph[] {
  const font = fontOf(piece.font);
  const scale = 1000 / font.unitsPerEm;
  const { glyphs, positions } = glyphRun(font, piece);
  return glyphs.flatMap((glyph, i) => {
    const text = String.fromCodePoint(...glyph.codePoints);
    const position = positions[i];
    // fontkit hides joiners behind a space without width, which would be copied as a real space.
    if (position === undefined || (text === " " && position.xAdvance === 0)) return [];
    return {
      code: glyph.id,
      text,
      width: glyph.advanceWidth * scale,
      advance: position.xAdvance * scale,
      dx: position.xOffset * scale,
      dy: position.yOffset * scale,
    };
  });
}

function glyphRun(font: Font, piece: Piece): GlyphRun {
  const backwards = (piece.level & 1) === 1;
  try {
    return font.layout(piece.text, [], undefined, undefined, backwards ? "rtl" : "ltr");
  } catch {
    // fontkit 2.0.4 fails on tables that leave out an anchor, which rare sequences of marks meet. Unjoined
    // letters can still be read.
    const characters = [...piece.text].filter((character) => !IGNORABLE.test(character));
    const glyphs = characters.map((character) => font.glyphForCodePoint(character.codePointAt(0) ?? 0));
    if (backwards) glyphs.reverse();
    return {
      glyphs,
      positions: glyphs.map((glyph) => ({ xAdvance: glyph.advanceWidth, xOffset: 0, yOffset: 0 })),
    };
  }
}
