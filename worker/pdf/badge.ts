import { type Canvas, dot, type Point, polygon, roundRect } from "./canvas.ts";
import { hsl, WHITE } from "./palette.ts";

/** Cells of a quarter's side; the quarter is mirrored into the whole badge. */
const QUARTER = 3;
const SHAPES = 7;

export type Identity = { readonly hue: number; readonly cells: readonly Cell[] };
type Cell = { readonly x: number; readonly y: number; readonly shape: number; readonly deep: boolean };

/** What tells one account's badge from another's; the same for the same UUID, for ever. */
export function identify(uuid: string): Identity {
  const next = randomFrom(uuid);
  const hue = Math.floor(next() * 24) * 15;
  const cells: Cell[] = [];
  for (let x = 0; x < QUARTER; x++) {
    for (let y = 0; y <= x; y++) {
      // The first two shapes are empty; the centre never is, so that no badge is blank.
      const shape = x === 0 ? 2 + Math.floor(next() * (SHAPES - 2)) : Math.floor(next() * SHAPES);
      cells.push({ x, y, shape, deep: next() < 0.5 });
    }
  }
  return { hue, cells };
}

/** A rosette, symmetric in eight directions, on a white plate. */
export function drawBadge(canvas: Canvas, identity: Identity, x: number, y: number, size: number): void {
  roundRect(canvas, x, y, size, size, size * 0.16, { fill: WHITE });
  const inset = size * 0.11;
  const cell = (size - 2 * inset) / (2 * QUARTER);
  const centre: Point = [x + size / 2, y + size / 2];
  for (const { x: column, y: row, shape, deep } of identity.cells) {
    const color = deep ? hsl(identity.hue, 0.55, 0.36) : hsl(identity.hue, 0.6, 0.56);
    for (const [a, b] of column === row
      ? [[column, row]]
      : [
          [column, row],
          [row, column],
        ]) {
      const swapped = a !== column;
      for (const [sx, sy] of [
        [1, 1],
        [-1, 1],
        [1, -1],
        [-1, -1],
      ] as const) {
        const at = (u: number, v: number): Point => {
          const [p, q] = swapped ? [v, u] : [u, v];
          return [centre[0] + sx * ((a ?? 0) + p) * cell, centre[1] + sy * ((b ?? 0) + q) * cell];
        };
        drawShape(canvas, shape, at, cell, color);
      }
    }
  }
}

function drawShape(
  canvas: Canvas,
  shape: number,
  at: (u: number, v: number) => Point,
  cell: number,
  color: ReturnType<typeof hsl>,
): void {
  const paint = { fill: color };
  if (shape < 2) return;
  if (shape === 2) polygon(canvas, [at(0, 0), at(1, 0), at(1, 1), at(0, 1)], paint);
  else if (shape === 3) polygon(canvas, [at(0, 0), at(1, 0), at(0, 1)], paint);
  else if (shape === 4) polygon(canvas, [at(1, 1), at(1, 0), at(0, 1)], paint);
  else if (shape === 5) polygon(canvas, [at(0.5, 0), at(1, 0.5), at(0.5, 1), at(0, 0.5)], paint);
  else dot(canvas, ...at(0.5, 0.5), cell * 0.36, color);
}

/** mulberry32 over an FNV-1a hash: enough for pictures. */
function randomFrom(text: string): () => number {
  let state = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
