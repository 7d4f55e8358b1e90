import type { Caller } from "../caller.ts";
import type { Findings } from "../findings.ts";

/** One kind of what people do, while the parts of the system come and go. */
export interface Traffic {
  /** Runs until it is over; resolves when the last request has ended. */
  run(): Promise<void>;
  /** When everything is up again and nothing happens any more: whether all that was answered is there. */
  check(): Promise<void>;
  figures(): Readonly<Record<string, number>>;
}

export type World = {
  readonly caller: Caller;
  readonly findings: Findings;
  readonly random: () => number;
  /** The addresses of the nodes. */
  readonly nodes: readonly string[];
  readonly isOver: () => boolean;
};

/** Does it again and again until it is over, with pauses of about so long. */
export async function again(world: World, pauseMs: number, step: () => Promise<unknown>): Promise<void> {
  while (!world.isOver()) {
    await step();
    await Bun.sleep(pauseMs * (0.5 + world.random()));
  }
}

export function oneOf<T>(random: () => number, of: readonly T[]): T | undefined {
  return of[Math.floor(random() * of.length)];
}

/** Calls it for each, a few at a time. */
export async function forAll<T>(all: Iterable<T>, look: (one: T) => Promise<void>): Promise<void> {
  const left = [...all].reverse();
  async function lane(): Promise<void> {
    for (let one = left.pop(); one !== undefined; one = left.pop()) await look(one);
  }
  await Promise.all(Array.from({ length: LANES }, lane));
}

const LANES = 8;
