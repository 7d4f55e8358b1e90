import { availableParallelism } from "node:os";
import type { Passwords } from "../../domain/core.ts";
import { DomainError } from "../../domain/errors.ts";

export type Argon2Options = {
  /** KiB. */
  readonly memoryCost?: number;
  readonly timeCost?: number;
  readonly concurrency?: number;
  readonly maxWaiting?: number;
};

// OWASP's password storage sheet: argon2id with 19 MiB, two passes, one lane.
const MEMORY_KIB = 19_456;
const PASSES = 2;
const MAX_WAITING = 50;
const RETRY_SECONDS = 2;

/** argon2id, at most one hash per core at a time: more would only make all of them late. */
export function argon2Passwords(options: Argon2Options = {}): Passwords {
  const { memoryCost = MEMORY_KIB, timeCost = PASSES, maxWaiting = MAX_WAITING } = options;
  const concurrency = options.concurrency ?? availableParallelism();
  const waiting: (() => void)[] = [];
  let running = 0;

  async function bounded<T>(hashing: () => Promise<T>): Promise<T> {
    if (running >= concurrency) {
      if (waiting.length >= maxWaiting) {
        throw new DomainError("overloaded", "Too many people are signing in. Try again in a moment.", {
          retryAfterSeconds: RETRY_SECONDS,
        });
      }
      // Who ends hands its place over, so the count stays.
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      running += 1;
    }
    try {
      return await hashing();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  }

  const hash = (password: string) =>
    Bun.password.hash(password, { algorithm: "argon2id", memoryCost, timeCost });
  let dummy: Promise<string> | undefined;

  return {
    hash: (password) => bounded(() => hash(password)),

    verify: (password, stored) =>
      bounded(async () => {
        if (stored !== null) return Bun.password.verify(password, stored);
        dummy ??= hash(crypto.randomUUID());
        await Bun.password.verify(password, await dummy);
        return false;
      }),

    isOutdated: (stored) => !stored.startsWith(`$argon2id$v=19$m=${memoryCost},t=${timeCost},p=1$`),
  };
}
