declare module "*.ttf" {
  /** Where the file lies, also inside a compiled executable. */
  const path: string;
  export default path;
}

/** What is used of fontkit 2, which brings no types. */
declare module "fontkit" {
  export type Glyph = {
    readonly id: number;
    readonly codePoints: readonly number[];
    readonly advanceWidth: number;
  };
  export type GlyphPosition = {
    readonly xAdvance: number;
    readonly xOffset: number;
    readonly yOffset: number;
  };
  export type GlyphRun = { readonly glyphs: readonly Glyph[]; readonly positions: readonly GlyphPosition[] };
  export type Subset = {
    /** The glyph's id inside the subset. */
    includeGlyph(id: number): number;
    encode(): Uint8Array;
  };
  export type Font = {
    readonly postscriptName: string;
    readonly unitsPerEm: number;
    readonly ascent: number;
    readonly descent: number;
    readonly capHeight: number;
    readonly bbox: {
      readonly minX: number;
      readonly minY: number;
      readonly maxX: number;
      readonly maxY: number;
    };
    /** Glyph objects by id, each with the characters it was first made for. */
    _glyphs: Record<number, Glyph>;
    getGlyph(id: number, codePoints?: readonly number[]): Glyph;
    glyphForCodePoint(codePoint: number): Glyph;
    hasGlyphForCodePoint(codePoint: number): boolean;
    layout(
      text: string,
      features: readonly string[],
      script: string | undefined,
      language: string | undefined,
      direction: "ltr" | "rtl",
    ): GlyphRun;
    createSubset(): Subset;
  };
  export function create(bytes: Uint8Array): Font;
}
