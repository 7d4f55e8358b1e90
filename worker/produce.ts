import { createHash } from "node:crypto";
import * as accounts from "../src/domain/accounts.ts";
import type { Core } from "../src/domain/core.ts";
import * as reports from "../src/domain/report.ts";
import * as tasks from "../src/domain/tasks.ts";
import { RenderError, type Renderer } from "./renderer.ts";

export type ProducerOptions = {
  readonly core: Core;
  /** The name in the leases; the same after a restart, so that a predecessor's leases are known. */
  readonly owner: string;
  /** As many as jobs run at a time. */
  readonly renderers: readonly [Renderer, ...Renderer[]];
  readonly limits?: Partial<Limits>;
};

type Limits = {
  readonly renewEveryMs: number;
  readonly jobMs: number;
  readonly sweepEveryMs: number;
  /** How long a task waits after its nth failed try. */
  retryAfterMs(attempt: number): number;
};

const LIMITS: Limits = {
  renewEveryMs: 20_000,
  jobMs: 5 * 60_000,
  sweepEveryMs: 30_000,
  // 2^n seconds up to five minutes, of which a half by chance, so that tasks that failed together spread out.
  retryAfterMs: (attempt) => Math.min(2 ** attempt * 1000, 300_000) * (0.5 + Math.random() / 2),
};

// Never at once: a task that somebody else just claimed would be asked for again and again.
const MIN_WAKE_MS = 20;

/** A refusal that is told to who asked; anything else is told as the stage that failed. */
class StageError extends Error {
  override readonly name = "StageError";
}

class TimeLimitError extends StageError {}

class Interrupted extends Error {
  override readonly name = "Interrupted";
}

export interface Producer {
  /** Takes jobs until `stop`. */
  start(): Promise<void>;
  /** Takes no more jobs, lets the running ones end within the grace, then gives their leases back. */
  stop(graceMs: number): Promise<void>;
}

/** Turns due tasks into stored documents. */
export function createProducer({ core, owner, renderers, limits: given = {} }: ProducerOptions): Producer {
  const limits = { ...LIMITS, ...given };
  const idle = [...renderers];
  let stopping = false;
  let wakeTimer: Timer | undefined;
  let consumer: { stop(): Promise<void> } | undefined;
  const interruption = Promise.withResolvers<never>();
  interruption.promise.catch(() => {});

  /** One nudge: claims until nothing is due. */
  async function work(): Promise<void> {
    const renderer = idle.pop();
    if (renderer === undefined) return;
    try {
      await reportExhausted();
      while (!stopping) {
        const task = await tasks.claim(core, owner);
        if (task === null) break;
        // A backlog that one nudge told of is worked on by all.
        if (idle.length > 0) core.queue.nudge();
        await produce(task, renderer);
      }
    } catch (error) {
      core.log.error({ err: error }, "the worker could not read its tasks");
    } finally {
      idle.push(renderer);
      await scheduleWake();
    }
  }

  async function reportExhausted(): Promise<void> {
    for (const taskId of await tasks.failExhausted(core))
      core.log.error({ taskId }, "a task failed for good");
  }

  /** The sweep: wakes when the next task becomes due, for retries and for what no nudge told of. */
  async function scheduleWake(): Promise<void> {
    if (stopping) return;
    const dueAt = await tasks.nextDueAt(core).catch(() => null);
    const waitMs = dueAt === null ? limits.sweepEveryMs : Math.min(dueAt - core.clock(), limits.sweepEveryMs);
    clearTimeout(wakeTimer);
    if (!stopping) wakeTimer = setTimeout(() => core.queue.nudge(), Math.max(waitMs, MIN_WAKE_MS));
  }

  async function produce(task: tasks.Task, renderer: Renderer): Promise<void> {
    const startedAt = performance.now();
    const job = { taskId: task.id, attempt: task.attempts };
    const renewal = setInterval(() => {
      tasks
        .renew(core, task.id, owner)
        .catch((error: unknown) => core.log.warn({ ...job, err: error }, "a lease was not renewed"));
    }, limits.renewEveryMs);
    const limit = timeLimit(limits.jobMs);
    try {
      const made = await Promise.race([make(task, renderer), interruption.promise, limit.promise]);
      if (made === null) return void core.log.warn(job, "the lease was lost to another worker");
      core.log.info(
        { ...job, ms: Math.round(performance.now() - startedAt), bytes: made },
        "document stored",
      );
    } catch (error) {
      // What was cut off may still be rendering, and the renderer is to be free for the next job.
      if (error instanceof TimeLimitError) renderer.kill();
      await giveBack(task, error, job);
    } finally {
      clearInterval(renewal);
      limit.clear();
    }
  }

  /** Answers the document's size, or null when somebody else has the lease now. */
  async function make(task: tasks.Task, renderer: Renderer): Promise<number | null> {
    const report = await keptReport(task);
    if (report === null) return null;
    const bytes = await renderer.render(report);
    await core.documents
      .put(tasks.documentKey(task.id), bytes, "application/pdf")
      .catch((cause: unknown) => stageFailed("The document could not be stored.", cause));
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const done = await tasks.complete(core, task.id, owner, { bytes: bytes.length, sha256 });
    return done ? bytes.length : null;
  }

  async function keptReport(task: tasks.Task): Promise<string | null> {
    if (task.report !== null) return task.report;
    try {
      const subject = await accounts.get(core, task.subjectId);
      const report = await reports.read(core, task.id, subject);
      return await tasks.keepReport(core, task.id, owner, JSON.stringify(report));
    } catch (cause) {
      return stageFailed("The statistics could not be read.", cause);
    }
  }

  async function giveBack(task: tasks.Task, error: unknown, job: object): Promise<void> {
    try {
      if (error instanceof Interrupted) {
        await tasks.release(core, task.id, owner);
        core.log.info(job, "a job was given back because the worker stops");
        return;
      }
      core.log.warn({ ...job, err: error }, "a try to make a document failed");
      const reason =
        error instanceof RenderError || error instanceof StageError
          ? error.message
          : "The document could not be made.";
      await tasks.fail(core, task, owner, reason, Math.round(limits.retryAfterMs(task.attempts)));
    } catch (failure) {
      core.log.error({ ...job, err: failure }, "a failed try was not noted; its lease will run out");
    }
  }

  return {
    async start() {
      const freed = await tasks.releaseLeftBy(core, owner);
      if (freed > 0) core.log.warn({ tasks: freed }, "took back what a predecessor left unfinished");
      consumer = await core.queue.consume(renderers.length, work);
      await scheduleWake();
    },

    async stop(graceMs) {
      stopping = true;
      clearTimeout(wakeTimer);
      const interrupt = setTimeout(() => {
        interruption.reject(new Interrupted("the worker stops"));
        for (const renderer of renderers) renderer.kill();
      }, graceMs);
      await consumer?.stop();
      clearTimeout(interrupt);
      for (const renderer of renderers) renderer.kill();
    },
  };
}

function stageFailed(message: string, cause: unknown): never {
  throw new StageError(message, { cause });
}

function timeLimit(ms: number): { readonly promise: Promise<never>; clear(): void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  const timer = setTimeout(
    () => reject(new TimeLimitError(`The job took longer than ${ms / 1000} seconds.`)),
    ms,
  );
  return { promise, clear: () => clearTimeout(timer) };
}
