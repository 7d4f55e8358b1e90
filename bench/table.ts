import { type Goal, isReached, type Row, ratioOf } from "./row.ts";

/** The ratio is measured / limit: of rates the more the better, of times and sizes the less. */
export function table(rows: readonly Row[]): string {
  const lines = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => padded(cell, column, widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const HEAD = ["what", "measured", "limit", "that is", "ratio", "goal", "reached"];
const NUMERIC: ReadonlySet<number> = new Set([1, 2, 4]);

function cells(row: Row): string[] {
  const ratio = ratioOf(row);
  const reached = isReached(row);
  return [
    row.name,
    figure(row.measured, row.unit),
    row.limit === null ? "" : figure(row.limit.value, row.unit),
    row.limit?.what ?? "",
    ratio === null ? "" : ratio.toFixed(2),
    row.goal === null ? "" : goalText(row.goal, row.unit),
    reached === null ? "" : reached ? "yes" : "NO",
  ];
}

function goalText(goal: Goal, unit: Row["unit"]): string {
  if ("most" in goal) return `< ${figure(goal.most, unit)}`;
  if ("least" in goal) return `>= ${figure(goal.least, unit)}`;
  return `ratio >= ${goal.leastRatio}`;
}

function figure(value: number, unit: Row["unit"]): string {
  const digits = unit === "/s" || value >= 100 ? 0 : unit === "MB" || unit === "KB" ? 1 : 2;
  return `${value.toLocaleString("en-US", { maximumFractionDigits: digits })} ${unit}`;
}

const padded = (cell: string, column: number, width: number): string =>
  NUMERIC.has(column) ? cell.padStart(width) : cell.padEnd(width);
