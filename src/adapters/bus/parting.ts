import type { Bus } from "../../domain/core.ts";
import { inProcessBus } from "./in-process.ts";
import type { RabbitmqBusOptions } from "./rabbitmq.ts";

// By then all nodes have found out by themselves.
const PATIENCE_MS = 5_000;

/**
 * For a short command beside running nodes: it hears nothing, and when it published something it tells them so as it
 * closes. A command that publishes nothing does not wait for a broker.
 */
export function partingBus(options: Omit<RabbitmqBusOptions, "connectTimeoutMs">): Bus {
  const own = inProcessBus(options);
  let hasNews = false;

  return {
    ...own,
    isShared: true,

    publish(nudge, to) {
      own.publish(nudge, to);
      hasNews = true;
    },

    async close() {
      await own.close();
      if (!hasNews) return;
      hasNews = false;
      await tellToLook(options);
    },
  };
}

/** Whoever joins the bus says `missed` to all, upon which they look at everything. */
async function tellToLook(options: RabbitmqBusOptions): Promise<void> {
  const { rabbitmqBus } = await import("./rabbitmq.ts");
  const bus = rabbitmqBus({ ...options, connectTimeoutMs: PATIENCE_MS });
  const joined = Promise.withResolvers<void>();
  const limit = setTimeout(joined.resolve, PATIENCE_MS);
  bus.subscribe(({ kind }) => {
    if (kind === "missed") joined.resolve();
  });
  await joined.promise;
  clearTimeout(limit);
  await bus.close();
}
