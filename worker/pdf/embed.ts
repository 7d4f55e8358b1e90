import { type PDFContext, type PDFRef, PDFString } from "pdf-lib";
import { fontOf } from "./fonts.ts";
import { type FontId, type ShapedGlyph, standardFont } from "./shape.ts";
import type { FontUse } from "./typeset.ts";

/** ISO 32000, table 123: the font has characters outside the standard Latin set. */
const SYMBOLIC = 4;
const CMAP_BLOCK = 100;

/** Writes the font into the document, an embedded one with the used outlines only. */
export function embedFont(context: PDFContext, font: FontId, use: FontUse): PDFRef {
  if (font === "Helvetica" || font === "Helvetica-Bold") return standardFont(font).embedIntoContext(context);
  const file = fontOf(font);
  const subset = file.createSubset();
  const outlines = use.glyphs.map((glyph) => subset.includeGlyph(glyph.code));
  const scale = 1000 / file.unitsPerEm;
  const name = `${tag(use.glyphs)}+${file.postscriptName}`;
  const descriptor = context.obj({
    Type: "FontDescriptor",
    FontName: name,
    Flags: SYMBOLIC,
    FontBBox: [file.bbox.minX, file.bbox.minY, file.bbox.maxX, file.bbox.maxY].map((edge) => edge * scale),
    ItalicAngle: 0,
    Ascent: file.ascent * scale,
    Descent: file.descent * scale,
    CapHeight: file.capHeight * scale,
    StemV: 80,
    FontFile2: context.register(context.flateStream(subset.encode())),
  });
  const descendant = context.obj({
    Type: "Font",
    Subtype: "CIDFontType2",
    BaseFont: name,
    CIDSystemInfo: { Registry: PDFString.of("Adobe"), Ordering: PDFString.of("Identity"), Supplement: 0 },
    FontDescriptor: context.register(descriptor),
    W: [1, use.glyphs.map((glyph) => Math.round(glyph.width))],
    CIDToGIDMap: context.register(context.flateStream(outlineMap(outlines))),
  });
  return context.register(
    context.obj({
      Type: "Font",
      Subtype: "Type0",
      BaseFont: name,
      Encoding: "Identity-H",
      DescendantFonts: [context.register(descendant)],
      ToUnicode: context.register(context.flateStream(toUnicode(use.glyphs))),
    }),
  );
}

function outlineMap(outlines: readonly number[]): Uint8Array {
  const map = new Uint8Array(2 * (outlines.length + 1));
  outlines.forEach((outline, i) => {
    map[2 * i + 2] = outline >> 8;
    map[2 * i + 3] = outline & 255;
  });
  return map;
}

function toUnicode(glyphs: readonly ShapedGlyph[]): string {
  const lines = glyphs.flatMap(({ text }, i) => (text === "" ? [] : [`<${word(i + 1)}> <${utf16(text)}>`]));
  const blocks: string[] = [];
  for (let at = 0; at < lines.length; at += CMAP_BLOCK) {
    const block = lines.slice(at, at + CMAP_BLOCK);
    blocks.push(`${block.length} beginbfchar\n${block.join("\n")}\nendbfchar`);
  }
  return `/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <ffff>
endcodespacerange
${blocks.join("\n")}
endcmap
CMapName currentdict /CMap defineresource pop
end
end`;
}

/** Six letters that name the subset, as ISO 32000 asks; a hash of it, so that equal documents stay equal. */
function tag(glyphs: readonly ShapedGlyph[]): string {
  let hash = 0x811c9dc5;
  for (const glyph of glyphs) hash = Math.imul(hash ^ glyph.code, 0x01000193) >>> 0;
  let letters = "";
  for (let i = 0; i < 6; i++) {
    letters += String.fromCharCode(65 + (hash % 26));
    hash = Math.floor(hash / 26);
  }
  return letters;
}

function utf16(text: string): string {
  let digits = "";
  for (let i = 0; i < text.length; i++) digits += word(text.charCodeAt(i));
  return digits;
}

function word(value: number): string {
  return value.toString(16).padStart(4, "0");
}
