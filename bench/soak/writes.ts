import type { Result } from "./caller.ts";

/**
 * Longer than anything is stopped. What got no answer may still be done, by whoever held it while it stood still: for
 * so long.
 */
const LATE_MS = 10_000;

/** What was written to one place, and what may therefore be read there. */
export interface Writes<T> {
  /** A write that goes out; its result settles it. */
  begin(value: T): (result: Result, isDone?: (status: number) => boolean) => void;
  /** What may be read from now on, each value once. */
  possible(): T[];
}

type Write<T> = {
  readonly value: T;
  readonly from: number;
  /** When it was done at the latest; infinite while it is on its way. */
  until: number;
  isAnswered: boolean;
};

/** A place that holds this value to begin with. */
export function createWrites<T>(first: T): Writes<T> {
  let writes: Write<T>[] = [{ value: first, from: 0, until: 0, isAnswered: true }];

  /** Those that no answered one came after, from its beginning on. */
  function prune(): void {
    const answered = writes.filter((write) => write.isAnswered);
    writes = writes.filter(({ until }) => !answered.some(({ from }) => from > until));
  }

  return {
    begin(value) {
      const write: Write<T> = {
        value,
        from: performance.now(),
        until: Number.POSITIVE_INFINITY,
        isAnswered: false,
      };
      writes.push(write);
      return (result, isDone = (status) => status < 300) => {
        if (result.kind === "unknown") write.until = result.endedAt + LATE_MS;
        else if (isDone(result.status)) {
          write.until = result.endedAt;
          write.isAnswered = true;
        } else writes = writes.filter((other) => other !== write);
        prune();
      };
    },
    possible: () => [...new Set(writes.map(({ value }) => value))],
  };
}
