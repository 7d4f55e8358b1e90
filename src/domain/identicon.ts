// The same badge as the one in a player's PDF: a rosette, symmetric in eight directions, on a white plate.

/** Cells of a quarter's side; the quarter is mirrored into the whole badge. */
const QUARTER = 3;
const SHAPES = 7;
const HUES = 24;

const SIZE = 100;
const CENTRE = SIZE / 2;
const INSET = 11;
const CELL = (SIZE - 2 * INSET) / (2 * QUARTER);
const DOT_RADIUS = 0.36;

const MIRRORS = [
  [1, 1],
  [-1, 1],
  [1, -1],
  [-1, -1],
] as const;

/** The corners of each shape in its cell; the last shape is a dot, the first two are empty. */
const CORNERS: Readonly<Record<number, readonly (readonly [number, number])[]>> = {
  2: [
    [0, 0],
    [1, 0],
    [1, 1],
    [0, 1],
  ],
  3: [
    [0, 0],
    [1, 0],
    [0, 1],
  ],
  4: [
    [1, 1],
    [1, 0],
    [0, 1],
  ],
  5: [
    [0.5, 0],
    [1, 0.5],
    [0.5, 1],
    [0, 0.5],
  ],
};

/** A square picture (SVG) that tells one account from another: the same for the same UUID, for ever. */
export function identicon(uuid: string): string {
  const next = randomFrom(uuid);
  const hue = Math.floor(next() * HUES) * (360 / HUES);
  let deep = "";
  let light = "";
  for (let x = 0; x < QUARTER; x++) {
    for (let y = 0; y <= x; y++) {
      // The centre is never empty, so that no badge is blank.
      const shape = x === 0 ? 2 + Math.floor(next() * (SHAPES - 2)) : Math.floor(next() * SHAPES);
      const drawn = drawMirrored(x, y, shape);
      if (next() < 0.5) deep += drawn;
      else light += drawn;
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE} ${SIZE}" width="256" height="256"><rect width="${SIZE}" height="${SIZE}" rx="16" fill="#ffffff"/><path fill="${hex(hue, 0.55, 0.36)}" d="${deep}"/><path fill="${hex(hue, 0.6, 0.56)}" d="${light}"/></svg>`;
}

function drawMirrored(x: number, y: number, shape: number): string {
  let path = "";
  for (const swapped of x === y ? [false] : [false, true]) {
    for (const [signX, signY] of MIRRORS) {
      path += draw(shape, (u, v) => {
        const [across, down] = swapped ? [y + v, x + u] : [x + u, y + v];
        return [round(CENTRE + signX * across * CELL), round(CENTRE + signY * down * CELL)];
      });
    }
  }
  return path;
}

function draw(shape: number, at: (u: number, v: number) => readonly [number, number]): string {
  if (shape < 2) return "";
  const corners = CORNERS[shape];
  if (corners !== undefined) return `M${corners.map(([u, v]) => at(u, v).join(" ")).join("L")}Z`;
  const [x, y] = at(0.5, 0.5);
  const radius = round(CELL * DOT_RADIUS);
  const half = `a${radius} ${radius} 0 1 0`;
  return `M${round(x - radius)} ${y}${half} ${2 * radius} 0${half} ${-2 * radius} 0Z`;
}

const round = (value: number): number => Math.round(value * 100) / 100;

/** Hue in degrees, saturation and lightness from 0 to 1. */
function hex(hue: number, saturation: number, lightness: number): string {
  const reach = saturation * Math.min(lightness, 1 - lightness);
  const channel = (shift: number) => {
    const k = (shift + hue / 30) % 12;
    const level = lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(level * 255)
      .toString(16)
      .padStart(2, "0");
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
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
