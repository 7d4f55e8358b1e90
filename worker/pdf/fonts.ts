import { readFileSync } from "node:fs";
import nanum from "@expo-google-fonts/nanum-gothic/400Regular/NanumGothic_400Regular.ttf" with {
  type: "file",
};
import notoRegular from "@expo-google-fonts/noto-sans/400Regular/NotoSans_400Regular.ttf" with {
  type: "file",
};
import notoBold from "@expo-google-fonts/noto-sans/700Bold/NotoSans_700Bold.ttf" with { type: "file" };
import arabicRegular from "@expo-google-fonts/noto-sans-arabic/400Regular/NotoSansArabic_400Regular.ttf" with {
  type: "file",
};
import arabicBold from "@expo-google-fonts/noto-sans-arabic/700Bold/NotoSansArabic_700Bold.ttf" with {
  type: "file",
};
import hebrewRegular from "@expo-google-fonts/noto-sans-hebrew/400Regular/NotoSansHebrew_400Regular.ttf" with {
  type: "file",
};
import hebrewBold from "@expo-google-fonts/noto-sans-hebrew/700Bold/NotoSansHebrew_700Bold.ttf" with {
  type: "file",
};
import chinese from "@expo-google-fonts/noto-sans-sc/400Regular/NotoSansSC_400Regular.ttf" with {
  type: "file",
};
import dejavu from "dejavu-fonts-ttf/ttf/DejaVuSans.ttf" with { type: "file" };
import { create, type Font } from "fontkit";

export type Weight = "regular" | "bold";
export type FontFile = keyof typeof FILES;

const FILES = {
  notoRegular,
  notoBold,
  arabicRegular,
  arabicBold,
  hebrewRegular,
  hebrewBold,
  /** Han and kana; one weight, since each costs 10 MB. */
  chinese,
  /** Hangul. */
  nanum,
  /** Symbols, and the scripts that Noto Sans spreads over further files: Armenian, Georgian, Lao. */
  dejavu,
} as const;

const ARABIC = /[\p{Script=Arabic}\p{Script_Extensions=Arabic}]/u;
const HEBREW = /\p{Script=Hebrew}/u;
const HANGUL = /\p{Script=Hangul}/u;
const EAST_ASIAN =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\u3000-\u33ff\uff00-\uffef]/u;

const parsed = new Map<FontFile, Font>();

/** Read and parsed once per process, at first use: a parse costs 5 to 60 ms. */
export function fontOf(file: FontFile): Font {
  const known = parsed.get(file);
  if (known) return known;
  const font = create(readFileSync(FILES[file]));
  forgetGlyphs(font);
  parsed.set(file, font);
  return font;
}

export function isSingleWeight(font: string): boolean {
  return font === "chinese" || font === "nanum" || font === "dejavu";
}

/** The first font that can draw the character; null where none can. */
export function fontFor(character: string, weight: Weight): FontFile | null {
  const codePoint = character.codePointAt(0) ?? 0;
  for (const file of candidates(character, weight)) {
    if (fontOf(file).hasGlyphForCodePoint(codePoint)) return file;
  }
  return null;
}

function candidates(character: string, weight: Weight): readonly FontFile[] {
  const bold = weight === "bold";
  if (character < "\u0530") return [bold ? "notoBold" : "notoRegular", "dejavu"];
  if (HEBREW.test(character)) return [bold ? "hebrewBold" : "hebrewRegular", "dejavu"];
  if (ARABIC.test(character)) return [bold ? "arabicBold" : "arabicRegular", "dejavu"];
  if (HANGUL.test(character)) return ["nanum"];
  if (EAST_ASIAN.test(character)) return ["chinese", "nanum"];
  return [bold ? "notoBold" : "notoRegular", "dejavu"];
}

/**
 * fontkit keeps each glyph object with the characters it was first made for, so that a parsed font remembers
 * earlier documents and tells "b" for "t" where both share an outline. Fresh glyphs keep shaping pure.
 */
function forgetGlyphs(font: Font): void {
  const getGlyph = font.getGlyph.bind(font);
  font.getGlyph = (id, codePoints) => {
    font._glyphs = {};
    return getGlyph(id, codePoints);
  };
}
