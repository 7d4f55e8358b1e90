import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Answer, type Call, send } from "./app.ts";

export type RunningProcess = {
  readonly pid: number;
  /** Everything that it printed so far. */
  output(): string;
  kill(signal: NodeJS.Signals): void;
  /** Resolves with the exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>;
};

export type RunningServer = RunningProcess & {
  readonly url: string;
  call(method: string, path: string, call?: Call): Promise<Answer>;
};

export type StartOptions = {
  readonly dataDir: string;
  readonly env?: Record<string, string>;
  readonly args?: readonly string[];
  /** Instead of `bun src/main.ts`. */
  readonly command?: readonly string[];
  readonly cwd?: string;
};

const ROOT = join(import.meta.dir, "../..");
const START_MS = 20_000;

/** A folder of its own for a test; `remove` deletes it. */
export function temporaryFolder(): { readonly path: string; remove(): Promise<void> } {
  const path = mkdtempSync(join(tmpdir(), "guildhall-test-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Starts a process and waits until its output matches; rejects with the output when it ends before. */
async function start(command: readonly string[], options: StartOptions, ready: RegExp) {
  const child = Bun.spawn([...command], {
    cwd: options.cwd ?? ROOT,
    env: {
      PATH: process.env.PATH ?? "",
      DATA_DIR: options.dataDir,
      PORT: "0",
      LOG_FORMAT: "json",
      RATE_LIMIT: "off",
      ...options.env,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let output = "";
  const seen = Promise.withResolvers<RegExpExecArray>();
  async function read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      output += decoder.decode(chunk, { stream: true });
      const match = ready.exec(output);
      if (match !== null) seen.resolve(match);
    }
  }
  const printed = Promise.all([read(child.stdout), read(child.stderr)]);
  const exited = child.exited.then(() => child.exitCode);
  const timer = setTimeout(() => seen.reject(new Error(`not ready in time:\n${output}`)), START_MS);
  void Promise.all([exited, printed]).then(([code]) =>
    seen.reject(new Error(`ended with ${code} before it was ready:\n${output}`)),
  );
  const match = await seen.promise.finally(() => clearTimeout(timer));
  const running: RunningProcess = {
    pid: child.pid,
    output: () => output,
    kill: (signal) => child.kill(signal),
    exited,
    async stop() {
      child.kill("SIGTERM");
      return exited;
    },
  };
  return { running, match };
}

/** `guildhall serve` on a free port of 127.0.0.1. */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const command = [...(options.command ?? ["bun", "src/main.ts"]), "serve", ...(options.args ?? [])];
  const { running, match } = await start(command, options, /app +(http:\S+)[\s\S]*worker +\S+/);
  const url = match[1] ?? "";
  return { ...running, url, call: (method, path, call) => send(fetch, method, url + path, call) };
}

/** `guildhall worker`. */
export async function startWorker(options: StartOptions): Promise<RunningProcess> {
  const command = options.command === undefined ? ["bun", "worker/main.ts"] : [...options.command, "worker"];
  const { running } = await start(command, options, /the worker is ready/);
  return running;
}

/** The child processes of a process, by their ids. */
export async function childrenOf(pid: number): Promise<number[]> {
  const text = await Bun.file(`/proc/${pid}/task/${pid}/children`)
    .text()
    .catch(() => "");
  const ids = new Set(text.trim().split(/\s+/).filter(Boolean).map(Number));
  // A child may have been made by any thread.
  for (const path of new Bun.Glob("*/children").scanSync({ cwd: `/proc/${pid}/task`, onlyFiles: false })) {
    const more = await Bun.file(`/proc/${pid}/task/${path}`)
      .text()
      .catch(() => "");
    for (const id of more.trim().split(/\s+/).filter(Boolean)) ids.add(Number(id));
  }
  return [...ids];
}
