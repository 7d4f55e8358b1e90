import { DatabaseError } from "./errors.ts";

type Waiting = {
  readonly since: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
};

/** Lets at most `concurrency` calls run; the others wait in a queue that is bounded in length and in time. */
export class Slots {
  readonly #waiting: Waiting[] = [];
  #idle: (() => void)[] = [];
  #running = 0;

  constructor(
    readonly concurrency: number,
    readonly queued: number,
    readonly waitMs: number,
  ) {}

  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#running < this.concurrency) this.#running++;
    else await this.#turn();
    try {
      return await call();
    } finally {
      this.#next();
    }
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves when no call runs or waits. */
  async drain(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= this.queued) {
      return Promise.reject(new DatabaseError("unavailable", "Too many statements wait for the database."));
    }
    return new Promise((resolve, reject) =>
      this.#waiting.push({ since: performance.now(), resolve, reject }),
    );
  }

  // Needs no timer of its own: every running call ends at its time limit, and then the late ones go.
  #next(): void {
    const expired = performance.now() - this.waitMs;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.since > expired) {
        next.resolve();
        return;
      }
      next.reject(new DatabaseError("unavailable", "The database is too slow for what is asked of it."));
    }
    this.#running--;
    if (this.#running > 0) return;
    for (const resolve of this.#idle) resolve();
    this.#idle = [];
  }
}
