export type Color = readonly [red: number, green: number, blue: number];
export type Point = readonly [x: number, y: number];

/** A page's operators. Coordinates are points from the top left corner, y downwards. */
export type Canvas = { readonly height: number; readonly operators: string[] };

/** Distance of a Bezier control point that draws a quarter circle of radius 1. */
const ARC = 0.5523;

export function hex(color: string): Color {
  const value = Number.parseInt(color.slice(1), 16);
  return [(value >> 16) / 255, ((value >> 8) & 255) / 255, (value & 255) / 255];
}

export type Rect = readonly [x: number, y: number, width: number, height: number];

export function fillRect(canvas: Canvas, x: number, y: number, w: number, h: number, color: Color): void {
  fillRects(canvas, [[x, y, w, h]], color);
}

/** One path for all of them: what is written has to be compressed, which is most of a document's time. */
export function fillRects(canvas: Canvas, rects: readonly Rect[], color: Color): void {
  if (rects.length === 0) return;
  const path = rects.map(([x, y, w, h]) => `${n(x)} ${n(canvas.height - y - h)} ${n(w)} ${n(h)} re`);
  canvas.operators.push(`${fill(color)} ${path.join(" ")} f`);
}

export type Paint = { readonly fill?: Color; readonly stroke?: Color; readonly width?: number };

export function roundRect(
  canvas: Canvas,
  x: number,
  y: number,
  w: number,
  h: number,
  radius: number,
  paint: Paint,
): void {
  const r = Math.min(radius, w / 2, h / 2);
  const c = r * (1 - ARC);
  const at = (px: number, py: number) => `${n(px)} ${n(canvas.height - py)}`;
  const path = [
    `${at(x + r, y)} m ${at(x + w - r, y)} l`,
    `${at(x + w - c, y)} ${at(x + w, y + c)} ${at(x + w, y + r)} c ${at(x + w, y + h - r)} l`,
    `${at(x + w, y + h - c)} ${at(x + w - c, y + h)} ${at(x + w - r, y + h)} c ${at(x + r, y + h)} l`,
    `${at(x + c, y + h)} ${at(x, y + h - c)} ${at(x, y + h - r)} c ${at(x, y + r)} l`,
    `${at(x, y + c)} ${at(x + c, y)} ${at(x + r, y)} c h`,
  ];
  canvas.operators.push(paintPath(path.join(" "), paint));
}

export function ring(
  canvas: Canvas,
  x: number,
  y: number,
  radius: number,
  color: Color,
  width: number,
): void {
  roundRect(canvas, x - radius, y - radius, 2 * radius, 2 * radius, radius, { stroke: color, width });
}

/** A filled circle, written as the round cap of a line without length: a fifth of what four curves take. */
export function dot(canvas: Canvas, x: number, y: number, radius: number, color: Color): void {
  const at = `${n(x)} ${n(canvas.height - y)}`;
  canvas.operators.push(`1 J ${n(2 * radius)} w ${stroke(color)} ${at} m ${at} l S 0 J`);
}

export function polygon(canvas: Canvas, points: readonly Point[], paint: Paint): void {
  canvas.operators.push(paintPath(`${route(canvas, points)} h`, paint));
}

export function polyline(canvas: Canvas, points: readonly Point[], color: Color, width: number): void {
  canvas.operators.push(`1 J 1 j ${n(width)} w ${stroke(color)} ${route(canvas, points)} S 0 J 0 j`);
}

/** A stroked arc, clockwise from the top; `from` and `to` are shares of the whole turn. */
export function arc(
  canvas: Canvas,
  centre: Point,
  radius: number,
  from: number,
  to: number,
  color: Color,
  width: number,
): void {
  const steps = Math.max(1, Math.ceil((to - from) * 8));
  const step = ((to - from) / steps) * 2 * Math.PI;
  const reach = (4 / 3) * Math.tan(step / 4) * radius;
  const path: string[] = [];
  for (let i = 0; i <= steps; i++) {
    const angle = from * 2 * Math.PI + i * step;
    const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
    const x = centre[0] + radius * sin;
    const y = canvas.height - centre[1] + radius * cos;
    const [tx, ty] = [reach * cos, -reach * sin];
    if (i > 0) path.push(`${n(x - tx)} ${n(y - ty)} ${n(x)} ${n(y)} c`);
    path.push(i === 0 ? `${n(x)} ${n(y)} m` : "");
    if (i < steps) path.push(`${n(x + tx)} ${n(y + ty)}`);
  }
  canvas.operators.push(`${n(width)} w ${stroke(color)} ${path.join(" ")} S`);
}

/** What `draw` adds shows only inside the rectangle. */
export function clipped(canvas: Canvas, x: number, y: number, w: number, h: number, draw: () => void): void {
  canvas.operators.push(`q ${n(x)} ${n(canvas.height - y - h)} ${n(w)} ${n(h)} re W n`);
  draw();
  canvas.operators.push("Q");
}

export function fill(color: Color): string {
  return `${channels(color)} rg`;
}

/** A number as PDF wants it: no exponent, no more digits than can be seen. */
export function n(value: number): string {
  return String(Math.round(value * 100) / 100);
}

export function stroke(color: Color): string {
  return `${channels(color)} RG`;
}

function channels(color: Color): string {
  return color.map((channel) => Math.round(channel * 1000) / 1000).join(" ");
}

function route(canvas: Canvas, points: readonly Point[]): string {
  return points.map(([x, y], i) => `${n(x)} ${n(canvas.height - y)} ${i === 0 ? "m" : "l"}`).join(" ");
}

function paintPath(path: string, paint: Paint): string {
  const setup = `${paint.fill ? `${fill(paint.fill)} ` : ""}${
    paint.stroke ? `${n(paint.width ?? 1)} w ${stroke(paint.stroke)} ` : ""
  }`;
  return `${setup}${path} ${paint.fill ? (paint.stroke ? "B" : "f") : "S"}`;
}
