/** `ratio` is measured / limit. A goal of null is a figure to look at. */
export type Goal = { readonly most: number } | { readonly least: number } | { readonly leastRatio: number };

export type Row = {
  readonly name: string;
  readonly unit: "/s" | "s" | "ms" | "µs" | "MB" | "KB";
  readonly measured: number;
  /** What the machine itself gives, measured in the same run; null where there is no such thing. */
  readonly limit: { readonly what: string; readonly value: number } | null;
  readonly goal: Goal | null;
};

export const ratioOf = ({ measured, limit }: Row): number | null =>
  limit === null ? null : measured / limit.value;

/** Null where there is no goal. */
export function isReached(row: Row): boolean | null {
  const { goal, measured } = row;
  if (goal === null) return null;
  if ("most" in goal) return measured < goal.most;
  if ("least" in goal) return measured >= goal.least;
  return (ratioOf(row) ?? 0) >= goal.leastRatio;
}
