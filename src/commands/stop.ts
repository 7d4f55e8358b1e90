import type { Log } from "../log.ts";

// The promise is 10 s; what is still open then is freed by the system, and leases run out.
const LIMIT_MS = 9_500;

/** Ends the process with code 0 after SIGTERM or SIGINT, in any case within 10 s; at once after a second one. */
export function onStop(log: Log, stop: () => Promise<void>): void {
  let stopping = false;
  async function end(signal: string): Promise<void> {
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal }, "stopping");
    setTimeout(() => process.exit(0), LIMIT_MS);
    try {
      await stop();
    } catch (error) {
      log.error({ err: error }, "the stop was not clean");
    }
    log.info("stopped");
    log.flush(() => process.exit(0));
  }
  process.on("SIGTERM", () => void end("SIGTERM"));
  process.on("SIGINT", () => void end("SIGINT"));
}
