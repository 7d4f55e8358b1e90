export type Lanes = {
  /** Resolves with true after a call of `work` that began after this moment, false if `stop` came before it. */
  run(): Promise<boolean>;
  /** Begins no further call and resolves when the running ones have ended. */
  stop(): Promise<void>;
};

/**
 * At most `width` calls of `work` at a time. Who comes while all lanes are busy shares one of at most `width`
 * calls to come, so a thousand nudges during a long job cost `width` more looks at the table.
 */
export function lanes(width: number, work: () => Promise<void>, onFailure: (error: unknown) => void): Lanes {
  const running = new Set<Promise<boolean>>();
  const waiting: PromiseWithResolvers<boolean>[] = [];
  let stopped = false;

  function start(): Promise<boolean> {
    // Begun in a microtask: whoever nudges is never inside of `work`.
    const call = Promise.resolve()
      .then(work)
      .catch(onFailure)
      .then(() => {
        running.delete(call);
        const next = waiting.shift();
        if (next !== undefined) next.resolve(start());
        return true;
      });
    running.add(call);
    return call;
  }

  return {
    run() {
      if (stopped) return Promise.resolve(false);
      if (running.size < width) return start();
      const shared = waiting.length < width ? undefined : waiting.at(-1);
      if (shared !== undefined) return shared.promise;
      const next = Promise.withResolvers<boolean>();
      waiting.push(next);
      return next.promise;
    },

    async stop() {
      stopped = true;
      for (const dropped of waiting.splice(0)) dropped.resolve(false);
      await Promise.all(running);
    },
  };
}
