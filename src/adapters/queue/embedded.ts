import type { JobQueue } from "../../domain/core.ts";
import type { Log } from "../../log.ts";
import { type Lanes, lanes } from "./lanes.ts";

export type EmbeddedQueueOptions = {
  /** For a worker beside a server on a file database, whom no nudge reaches: also look this often. */
  readonly pollMs?: number;
  readonly log?: Log;
};

/** The task table is the queue; this only wakes the consumers of the same process. */
export function embeddedQueue({ pollMs, log }: EmbeddedQueueOptions = {}): JobQueue {
  const consumers = new Set<Lanes>();
  let poll: Timer | undefined;
  let closed = false;

  function nudge(): void {
    for (const consumer of consumers) void consumer.run();
  }

  function leave(consumer: Lanes): void {
    consumers.delete(consumer);
    if (consumers.size > 0) return;
    clearInterval(poll);
    poll = undefined;
  }

  return {
    nudge,

    async consume(concurrency, work) {
      if (closed) throw new Error("the queue is closed");
      const consumer = lanes(concurrency, work, (error) => log?.error({ err: error }, "work failed"));
      consumers.add(consumer);
      if (pollMs !== undefined) poll ??= setInterval(nudge, pollMs);
      // What was left by an earlier process has no nudge of its own.
      void consumer.run();
      return {
        stop() {
          leave(consumer);
          return consumer.stop();
        },
      };
    },

    async check() {
      if (closed) throw new Error("the queue is closed");
    },

    async close() {
      closed = true;
      for (const consumer of consumers) {
        leave(consumer);
        void consumer.stop();
      }
    },
  };
}
