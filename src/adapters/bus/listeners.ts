import type { News } from "../../domain/core.ts";
import type { Log } from "../../log.ts";

type Listener = (news: News) => void;

/** Those of one node. */
export type Listeners = {
  /** All have heard it when this returns; it never throws. */
  tell(news: News): void;
  /** The answer ends it; the same function may listen twice. */
  add(listener: Listener): () => void;
  clear(): void;
};

export function createListeners(log?: Log): Listeners {
  const entries = new Set<{ readonly listener: Listener }>();
  return {
    tell(news) {
      for (const { listener } of entries) {
        // One that breaks its promise costs neither the others nor whoever publishes.
        try {
          listener(news);
        } catch (error) {
          log?.error({ err: error, kind: news.kind }, "a listener of the bus failed");
        }
      }
    },
    add(listener) {
      const entry = { listener };
      entries.add(entry);
      return () => void entries.delete(entry);
    },
    clear: () => entries.clear(),
  };
}
