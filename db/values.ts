/** What both drivers can store. */
export type Bindable = string | number | bigint | boolean | Uint8Array | null;

/**
 * Refuses what a driver would store as something else without a word: a Date, undefined (stored as NULL), NaN
 * (NULL), and integers that a JavaScript number cannot give back.
 */
export function assertBindable(parameters: readonly unknown[]): asserts parameters is readonly Bindable[] {
  for (let index = 0; index < parameters.length; index++) {
    const value = parameters[index];
    if (typeof value === "string" || value === null || typeof value === "boolean") continue;
    if (typeof value === "number") {
      if (Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value))) continue;
    } else if (typeof value === "bigint") {
      if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) continue;
    } else if (value instanceof Uint8Array) continue;
    throw new TypeError(`Parameter ${index + 1} cannot be stored exactly: ${described(value)}.`);
  }
}

const described = (value: unknown): string =>
  typeof value === "object" ? (value?.constructor?.name ?? "object") : `${typeof value} ${String(value)}`;

/** True when some number may be a rounded integer. */
export function mayBeRounded(rows: readonly (readonly unknown[])[]): boolean {
  for (const row of rows) {
    for (const value of row) {
      if (typeof value === "number" && (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER)) {
        return true;
      }
    }
  }
  return false;
}

/** Rows that were read with BigInt integers, with numbers instead. Throws for an integer beyond 2^53. */
export function withNumbers(rows: readonly (readonly unknown[])[]): unknown[][] {
  return rows.map((row) => row.map((value) => (typeof value === "bigint" ? toNumber(value) : value)));
}

function toNumber(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new RangeError("An integer beyond 2^53 was read.");
  return number;
}
