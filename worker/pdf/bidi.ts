import bidiFactory, { type Bidi } from "bidi-js";
import { splitGraphemes } from "./clean.ts";

/** A grapheme with its embedding level: odd levels are written from right to left. */
export type Placed = { readonly text: string; readonly level: number };

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

let algorithm: Bidi | undefined;

/** The graphemes in logical order, each with its level by the Unicode Bidirectional Algorithm. */
export function place(text: string): Placed[] {
  const parts = splitGraphemes(text);
  if (!RIGHT_TO_LEFT.test(text)) return parts.map((part) => ({ text: part, level: 0 }));
  algorithm ??= bidiFactory();
  const bidi = algorithm;
  const { levels } = bidi.getEmbeddingLevels(text, "auto");
  let at = 0;
  return parts.map((part) => {
    const level = levels[at] ?? 0;
    at += part.length;
    return { text: (level & 1) === 1 ? (bidi.getMirroredCharacter(part) ?? part) : part, level };
  });
}

/** Rule L2: the runs from left to right as they are seen. */
export function visualOrder<T extends { readonly level: number }>(runs: readonly T[]): T[] {
  const order = [...runs];
  const highest = Math.max(0, ...order.map((run) => run.level));
  for (let level = highest; level > 0; level--) {
    for (let start = 0; start < order.length; start++) {
      let end = start;
      while (end < order.length && (order[end]?.level ?? 0) >= level) end++;
      if (end > start) order.splice(start, end - start, ...order.slice(start, end).reverse());
      start = end;
    }
  }
  return order;
}
