/** Work that counts its calls and can be held up. */
export type Gate = {
  readonly work: () => Promise<void>;
  /** How many calls have begun. */
  readonly begun: number;
  readonly running: number;
  readonly mostAtOnce: number;
  hold(): void;
  release(): void;
};

export function createGate(): Gate {
  let held: PromiseWithResolvers<void> | undefined;
  let begun = 0;
  let running = 0;
  let mostAtOnce = 0;
  return {
    async work() {
      begun += 1;
      running += 1;
      mostAtOnce = Math.max(mostAtOnce, running);
      await held?.promise;
      running -= 1;
    },
    get begun() {
      return begun;
    },
    get running() {
      return running;
    },
    get mostAtOnce() {
      return mostAtOnce;
    },
    hold() {
      held = Promise.withResolvers<void>();
    },
    release() {
      held?.resolve();
      held = undefined;
    },
  };
}
