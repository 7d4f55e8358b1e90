import { type Color, hex } from "./canvas.ts";

export const INK = hex("#16213a");
export const TEXT = hex("#27324b");
export const MUTED = hex("#667085");
export const FAINT = hex("#98a2b3");
export const LINE = hex("#e4e7ec");
export const SOFT = hex("#f5f6f9");
export const WHITE = hex("#ffffff");
export const ON_INK = hex("#b9c2d6");
export const WIN = hex("#12946f");
export const LOSS = hex("#d9544a");
const DRAW = hex("#98a2b3");

export const RESULT_COLORS = { win: WIN, loss: LOSS, draw: DRAW } as const;
export const RESULT_WORDS = { win: "Win", loss: "Loss", draw: "Draw" } as const;

/** Hue in degrees, saturation and lightness from 0 to 1. */
export function hsl(hue: number, saturation: number, lightness: number): Color {
  const channel = (shift: number) => {
    const k = (shift + hue / 30) % 12;
    const reach = saturation * Math.min(lightness, 1 - lightness);
    return lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1));
  };
  return [channel(0), channel(8), channel(4)];
}
