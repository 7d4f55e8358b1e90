/** Of a list that may be in any order; throws for an empty one. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new RangeError("the median of nothing");
  return middle;
}

const BUCKETS_PER_MS = 100;
const MAX_MS = 10_000;

/** Counts durations in steps of 10 µs up to 10 s, in constant memory. */
export class Durations {
  readonly #buckets = new Uint32Array(MAX_MS * BUCKETS_PER_MS + 1);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(ms: number): void {
    const bucket = Math.min(Math.floor(ms * BUCKETS_PER_MS), MAX_MS * BUCKETS_PER_MS);
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count += 1;
  }

  /** The upper edge of the step that the quantile (0 to 1) falls into, in milliseconds. */
  quantile(share: number): number {
    const wanted = Math.max(1, Math.ceil(this.#count * share));
    let seen = 0;
    for (let bucket = 0; bucket < this.#buckets.length; bucket++) {
      seen += this.#buckets[bucket] ?? 0;
      if (seen >= wanted) return (bucket + 1) / BUCKETS_PER_MS;
    }
    return MAX_MS;
  }
}
