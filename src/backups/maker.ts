import { open } from "node:fs/promises";
import { parse } from "node:path";
import { lockBackups } from "../data-dir.ts";
import { lowerPriority, ownProgram } from "../own-program.ts";
import { CommandError } from "../run.ts";
import type { Answer, Made, Order, Place } from "./make.ts";
import type { Kind } from "./names.ts";
import { removeLeftovers } from "./shelf.ts";

export type MakeOptions = {
  readonly at: number;
  /** Ends the backup; nothing of it stays. */
  readonly signal?: AbortSignal;
  readonly timeLimitMs?: number;
};

const TIME_LIMIT_MS = 60 * 60_000;

/**
 * Has a child process make one backup: copying a database of 1 GB blocks for seconds, and a file that this process
 * has open must not be opened in it by other means. Throws a CommandError for what the operator can mend.
 */
export async function makeBackup(place: Place, kind: Kind, options: MakeOptions): Promise<Made> {
  const { signal, timeLimitMs = TIME_LIMIT_MS } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Exclude<Answer, { writing: string }>>();
  const done = new AbortController();
  const child = Bun.spawn(ownProgram("make-backup"), {
    // It is told all that it has to know: neither our environment nor a .env file of the working directory.
    env: {},
    cwd: parse(process.cwd()).root,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
    serialization: "json",
    ipc(answer: Answer) {
      if ("writing" in answer) void syncSteadily(answer.writing, done.signal);
      else resolve(answer);
    },
    onExit: (_child, code, signalled) =>
      reject(
        new CommandError(`The backup's process ended before it was done (${signalled ?? `code ${code}`}).`),
      ),
  });
  const end = (reason: string) => {
    reject(new CommandError(reason));
    child.kill("SIGKILL");
  };
  const abort = () => end("The backup was broken off.");
  const limit = setTimeout(
    () => end(`The backup took longer than ${timeLimitMs / 60_000} minutes.`),
    timeLimitMs,
  );
  signal?.addEventListener("abort", abort, { once: true });
  try {
    lowerPriority(child.pid);
    child.send({ place, kind, at: options.at } satisfies Order);
    if (signal?.aborted === true) abort();
    const answer = await promise;
    if ("made" in answer) return answer.made;
    if ("refusal" in answer) throw new CommandError(answer.refusal);
    throw new Error(`A backup failed: ${answer.failure}`);
  } finally {
    done.abort();
    clearTimeout(limit);
    signal?.removeEventListener("abort", abort);
    child.disconnect();
    await child.exited;
    if (child.signalCode !== null) await tidy(place.dataDir);
  }
}

const SYNC_EVERY_MS = 20;

/**
 * Has what the child writes reach the disk as it is written. Left to the end it would be all of it at once, and every
 * commit of the server would wait for its turn behind that. Failures are the child's to tell.
 */
async function syncSteadily(path: string, signal: AbortSignal): Promise<void> {
  const file = await open(path, "r").catch(() => null);
  if (file === null) return;
  try {
    while (!signal.aborted) {
      await file.datasync();
      await Bun.sleep(SYNC_EVERY_MS);
    }
  } catch {
  } finally {
    await file.close();
  }
}

/** What it left when it was killed is as large as a backup. The next one would remove it, too. */
async function tidy(dataDir: string): Promise<void> {
  const lock = lockBackups(dataDir);
  if (lock === null) return;
  try {
    await removeLeftovers(dataDir);
  } finally {
    lock.release();
  }
}
