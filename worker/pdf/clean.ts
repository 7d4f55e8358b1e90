/** Stands for what no font can draw: emoji sequences, lone surrogates, characters of unsupported scripts. */
export const SIGN = "\u25a1";
/** Stands for a text of which nothing visible is left. */
export const NOTHING = "\u2014";

const MAX_CODE_UNITS = 4_000;
const MAX_GRAPHEMES = 160;
/** A grapheme has no bound of its own: ten thousand Hangul leading consonants are one. */
const MAX_GRAPHEME_CODE_POINTS = 16;

const PLAIN = /^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/;
const INVISIBLE = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;
const STRAY_JOINER = /(?<![\p{L}\p{M}])[\u200c\u200d]+|[\u200c\u200d]+(?![\p{L}\p{M}])/gu;
/** More than four marks: no living orthography needs them, and NFC takes 100 ms to order 10,000. */
const EXCESS_MARKS = /([\p{M}\u200c\u200d]{4})[\p{M}\u200c\u200d]+/gu;
const EMOJI_PART = /[\u200d\u20e3\u{1f3fb}-\u{1f3ff}\u{1f1e6}-\u{1f1ff}]/u;
const PICTURE = /\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3/u;
const FIRST_MARK = /^\p{M}/u;

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/**
 * One line of visible text in NFC, cut after `maxGraphemes`, without control and direction characters.
 * Never empty: a text of which nothing is left becomes `NOTHING`.
 */
export function cleanText(text: string, maxGraphemes = MAX_GRAPHEMES): string {
  if (text.length <= maxGraphemes && PLAIN.test(text)) return text;
  const line = text
    .slice(0, MAX_CODE_UNITS)
    .toWellFormed()
    .replace(/[\s\u2800]+/gu, " ")
    .replace(INVISIBLE, "")
    .replace(EXCESS_MARKS, "$1")
    .replaceAll("\ufffd", SIGN)
    .normalize("NFC");
  const kept: string[] = [];
  for (const { segment } of graphemes.segment(line)) {
    if (kept.length === maxGraphemes) {
      kept[maxGraphemes - 1] = "\u2026";
      break;
    }
    kept.push(cleanGrapheme(segment));
  }
  const cleaned = kept.join("").replace(STRAY_JOINER, "").replace(/ {2,}/g, " ").trim();
  return cleaned === "" ? NOTHING : FIRST_MARK.test(cleaned) ? `\u25cc${cleaned}` : cleaned;
}

/** The text's user-perceived characters, which are what may be cut off. */
export function splitGraphemes(text: string): string[] {
  return Array.from(graphemes.segment(text), ({ segment }) => segment);
}

function cleanGrapheme(grapheme: string): string {
  if (grapheme.length === 1) return grapheme;
  // A flag, a keycap or a joined family is one picture to its reader, so it leaves one sign.
  if (PICTURE.test(grapheme) && EMOJI_PART.test(grapheme)) return SIGN;
  return grapheme.length <= MAX_GRAPHEME_CODE_POINTS
    ? grapheme
    : [...grapheme].slice(0, MAX_GRAPHEME_CODE_POINTS).join("");
}
