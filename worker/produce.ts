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
  /** The first wait when the tasks cannot be read; doubled up to `sweepEveryMs`. */
  readonly backOffMs: number;
  /** How long a task waits after its nth failed try. */
  retryAfterMs(attempt: number): number;
};

const LIMITS: Limits = {
  renewEveryMs: 20_000,
  jobMs: 5 * 60_000,
  sweepEveryMs: 30_000,
  backOffMs: 1_000,
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

class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

type Job = {
  readonly task: tasks.Task;
  readonly renderer: Renderer;
  /** Aborted when nobody waits for the job's outcome any more. */
  readonly signal: AbortSignal;
  /** From here on `complete` alone tells whether the lease still holds: a renewal after it finds none. */
  completing(): void;
};

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
  let backOff: { readonly ms: number; readonly until: number } | null = null;
  const interruption = new AbortController();

  /** One nudge: claims until nothing is due. */
  async function work(): Promise<void> {
    if (backOffLeftMs() > 0) return;
    const renderer = idle.pop();
    if (renderer === undefined) return;
    try {
      await reportExhausted();
      while (!stopping) {
        const task = await tasks.claim(core, owner);
        backOff = null;
        if (task === null) break;
        // A backlog that one nudge told of is worked on by all.
        if (idle.length > 0) core.queue.nudge();
        await produce(task, renderer);
      }
    } catch (error) {
      backOffAfter(error);
    } finally {
      idle.push(renderer);
      await scheduleWake();
    }
  }

  const backOffLeftMs = (): number => (backOff === null ? 0 : backOff.until - performance.now());

  function backOffAfter(error: unknown): void {
    // Several lanes meet the same outage.
    if (backOffLeftMs() > 0) return;
    const ms = Math.min(backOff === null ? limits.backOffMs : backOff.ms * 2, limits.sweepEveryMs);
    backOff = { ms, until: performance.now() + ms };
    core.log.error({ err: error, retryAfterMs: ms }, "the worker could not read its tasks");
  }

  async function reportExhausted(): Promise<void> {
    for (const taskId of await tasks.failExhausted(core))
      core.log.error({ taskId }, "a task failed for good");
  }

  /** The sweep: wakes when the next task becomes due, for retries and for what no nudge told of. */
  async function scheduleWake(): Promise<void> {
    if (stopping) return;
    const dueAt = await tasks.nextDueAt(core).catch(() => null);
    const untilDueMs =
      dueAt === null ? limits.sweepEveryMs : Math.min(dueAt - core.clock(), limits.sweepEveryMs);
    const waitMs = Math.max(backOff === null ? untilDueMs : backOffLeftMs() + 1, MIN_WAKE_MS);
    clearTimeout(wakeTimer);
    if (!stopping) wakeTimer = setTimeout(() => core.queue.nudge(), waitMs);
  }

  async function produce(task: tasks.Task, renderer: Renderer): Promise<void> {
    const startedAt = performance.now();
    const names = { taskId: task.id, attempt: task.attempts, requestId: task.requestId };
    const abort = new AbortController();
    let completing = false;
    const job: Job = {
      task,
      renderer,
      signal: AbortSignal.any([interruption.signal, abort.signal]),
      completing() {
        completing = true;
      },
    };
    const renewal = setInterval(async () => {
      try {
        const kept = await tasks.renew(core, task, owner);
        if (!kept && !completing) abort.abort(new LeaseLost());
      } catch (error) {
        core.log.warn({ ...names, err: error }, "a lease was not renewed");
      }
    }, limits.renewEveryMs);
    const limit = setTimeout(
      () => abort.abort(new TimeLimitError(`The job took longer than ${limits.jobMs / 1000} seconds.`)),
      limits.jobMs,
    );
    try {
      const made = await Promise.race([make(job), aborted(job.signal)]);
      const ms = Math.round(performance.now() - startedAt);
      core.metrics.job("done", ms / 1000);
      core.log.info({ ...names, ms, bytes: made }, "document stored");
    } catch (error) {
      // What was cut off may still be rendering, and the renderer is to be free for the next job.
      if (job.signal.aborted) renderer.kill();
      core.metrics.job(outcomeOf(error), (performance.now() - startedAt) / 1000);
      if (error instanceof LeaseLost) core.log.warn(names, "the lease was lost to another worker");
      else await giveBack(task, error, names);
    } finally {
      clearInterval(renewal);
      clearTimeout(limit);
    }
  }

  /** Answers the document's size. Throws LeaseLost, and why it was aborted before its next stage. */
  async function make({ task, renderer, signal, completing }: Job): Promise<number> {
    const report = await keptReport(task);
    signal.throwIfAborted();
    const bytes = await renderer.render(report);
    signal.throwIfAborted();
    await core.documents
      .put(tasks.documentKey(task.id), bytes, "application/pdf")
      .catch((cause: unknown) => stageFailed("The document could not be stored.", cause));
    signal.throwIfAborted();
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    completing();
    if (!(await tasks.complete(core, task, owner, { bytes: bytes.length, sha256 }))) throw new LeaseLost();
    return bytes.length;
  }

  async function keptReport(task: tasks.Task): Promise<string> {
    if (task.report !== null) return task.report;
    let kept: string | null;
    try {
      const subject = await accounts.get(core, task.subjectId);
      const report = await reports.read(core, task.id, subject);
      kept = await tasks.keepReport(core, task, owner, JSON.stringify(report));
    } catch (cause) {
      return stageFailed("The statistics could not be read.", cause);
    }
    if (kept === null) throw new LeaseLost();
    return kept;
  }

  async function giveBack(task: tasks.Task, error: unknown, job: object): Promise<void> {
    try {
      if (error instanceof Interrupted) {
        await tasks.release(core, task, owner);
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
        interruption.abort(new Interrupted("the worker stops"));
        for (const renderer of renderers) renderer.kill();
      }, graceMs);
      await consumer?.stop();
      clearTimeout(interrupt);
      for (const renderer of renderers) renderer.kill();
    },
  };
}

const outcomeOf = (error: unknown) =>
  error instanceof LeaseLost ? "lost" : error instanceof Interrupted ? "interrupted" : "failed";

function stageFailed(message: string, cause: unknown): never {
  throw new StageError(message, { cause });
}

/** Rejects with the signal's reason. */
function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return promise;
}
