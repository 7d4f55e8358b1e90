import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import type { Core } from "../../domain/core.ts";
import { DomainError } from "../../domain/errors.ts";
import type { Task } from "../../domain/tasks.ts";
import type { Env } from "../../http/context.ts";
import * as wire from "./wire.ts";

const MAX_STREAMS = 1_000;
const POLL_MS = 250;
// Below the 10 s and more after which proxies take a silent connection for dead.
const HEARTBEAT_MS = 8_000;
const RETRY_SECONDS = 10;

/**
 * Streams of one server: `open` sends the task whenever its state changes, until it ends, the session does or the
 * server stops.
 */
export function createTaskEvents(core: Core, isLeaving: () => boolean = () => false) {
  let streams = 0;

  return {
    open(c: Context<Env>, first: Task, read: () => Promise<Task>): Response {
      if (streams >= MAX_STREAMS) {
        throw new DomainError("overloaded", "Too many tasks are being watched. Ask for the status instead.", {
          retryAfterSeconds: RETRY_SECONDS,
        });
      }
      streams += 1;
      c.env.idleTimeout(0);
      c.header("X-Accel-Buffering", "no");
      return streamSSE(c, async (stream) => {
        try {
          let task = first;
          let sent = "";
          let silentMs = 0;
          while (!stream.aborted) {
            if (task.status !== sent) {
              await stream.writeSSE({ data: JSON.stringify({ result: await wire.task(core, task) }) });
              sent = task.status;
              silentMs = 0;
            }
            if (task.status === "DONE" || task.status === "FAILED") return;
            await stream.sleep(POLL_MS);
            if (isLeaving()) return;
            silentMs += POLL_MS;
            if (silentMs >= HEARTBEAT_MS) {
              await stream.write(":\n\n");
              silentMs = 0;
            }
            task = await read();
          }
        } catch (error) {
          core.log.info({ err: error, requestId: c.env.id }, "a task's event stream ended early");
        } finally {
          streams -= 1;
        }
      });
    },
  };
}
