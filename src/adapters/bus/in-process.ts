import type { Bus } from "../../domain/core.ts";
import type { Log } from "../../log.ts";
import { createListeners } from "./listeners.ts";

/** For a community of one node: its own listeners are all there are. */
export function inProcessBus({ log }: { readonly log?: Log } = {}): Bus {
  const listeners = createListeners(log);
  let closed = false;

  return {
    isShared: false,

    publish(nudge, to) {
      if (to === "all") listeners.tell(nudge);
    },

    subscribe: (listener) => (closed ? () => {} : listeners.add(listener)),

    async check() {
      if (closed) throw new Error("the bus is closed");
    },

    async close() {
      closed = true;
      listeners.clear();
    },
  };
}
