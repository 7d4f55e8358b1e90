import { describe, expect, test } from "bun:test";
import { cleanText, NOTHING, SIGN, splitGraphemes } from "../../worker/pdf/clean.ts";

describe("cleanText", () => {
  const cases: readonly (readonly [what: string, text: string, cleaned: string])[] = [
    ["plain text", "grace_hopper", "grace_hopper"],
    ["spaces around and between", "  Ann \t\r\n  Lee\u00a0\u3000", "Ann Lee"],
    ["control characters", "A\u0000n\u0007n\u001b[31m\u009f", "Ann[31m"],
    ["direction overrides", "\u202eevil\u202c \u2066x\u2069\u200f\u061c", "evil x"],
    ["invisible characters", "A\u200bn\u2060n\ufeff\u00ad\u034f\u3164\ufe0f", "Ann"],
    [
      "a joiner between letters",
      "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
      "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    ],
    ["joiners elsewhere", "\u200da \u200c b\u200d", "a b"],
    ["a lone surrogate", "A\ud800B\udc00", `A${SIGN}B${SIGN}`],
    ["the replacement character", "A\ufffd", `A${SIGN}`],
    ["a joined emoji", "\ud83d\udc69\u200d\ud83d\udc69\u200d\ud83d\udc67", SIGN],
    ["a skin tone", "\ud83d\udc4d\ud83c\udffd!", `${SIGN}!`],
    ["flags", "\ud83c\udde9\ud83c\uddea\ud83c\uddeb\ud83c\uddf7", SIGN + SIGN],
    ["a keycap", "1\ufe0f\u20e3", SIGN],
    ["decomposed letters", "Zoe\u0308", "Zo\u00eb"],
    ["a mark without a letter", "\u0301a", "\u25cc\u0301a"],
    ["a stack of marks", `x${"\u0320".repeat(3_000)}y`, `x${"\u0320".repeat(4)}y`],
    ["one endless grapheme", "\u1100".repeat(10_000), "\u1100".repeat(16)],
    ["nothing", "", NOTHING],
    ["nothing visible", " \u200b\u202e\u0000\u3164\u2800\ufe0f", NOTHING],
  ];
  test.each(cases)("%s", (_, text, cleaned) => {
    expect(cleanText(text)).toBe(cleaned);
  });

  test("keeps 160 graphemes, the last of them an ellipsis", () => {
    const cleaned = cleanText("\u0416".repeat(10_000));
    expect(splitGraphemes(cleaned)).toHaveLength(160);
    expect(cleaned).toEndWith("\u0416\u2026");
  });

  test("is fast on what is made to be slow", () => {
    const started = performance.now();
    for (const unit of [
      "\u0301\u0328",
      "\u1100",
      "\ud83d\udc69\u200d",
      "\u0915\u094d",
      "\u202e",
      " \t",
      "\ud800",
    ]) {
      cleanText(`a${unit.repeat(200_000)}`);
    }
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
