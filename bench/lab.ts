import { closeSync, openSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import type { LoadResult, LoadSpec } from "./load.ts";
import type { LoadAnswer, LoadCommand } from "./load-process.ts";
import type { SocketResult, SocketSpec } from "./socket-load.ts";
import type { SocketAnswer, SocketCommand } from "./socket-process.ts";

export type Server = {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** SIGTERM, and SIGKILL if that is not heard. */
  stop(): Promise<void>;
};

export type ServeOptions = {
  readonly dataDir: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

export type RemoteSockets = {
  /** All are open. */
  readonly opened: Promise<void>;
  readonly result: Promise<SocketResult>;
  stop(): void;
};

export type RemoteLoad = { readonly result: Promise<LoadResult>; stop(): void };

/** Where a measure works: what it starts and writes is gone after `close`. */
export type Lab = {
  /** A new temporary folder. */
  folder(): Promise<string>;
  /** A process whose output goes to a file; ended by `close` at the latest. */
  spawn(command: readonly string[], env?: Readonly<Record<string, string>>): Promise<Spawned>;
  /** `guildhall serve` on a free port. */
  serve(options: ServeOptions): Promise<Server>;
  /** A Bun.serve script with a constant answer of this length. */
  serveBare(bytes: number): Promise<Server>;
  /** Load from another process. Its result rejects when there was any answer other than 2xx. */
  load(spec: LoadSpec): RemoteLoad;
  /** A Bun.serve script that publishes texts of this length and greets with one of that length. */
  serveBareSockets(bytes: number, firstBytes: number): Promise<Server>;
  /** Sockets from another process. */
  sockets(spec: SocketSpec): RemoteSockets;
  /** Called at the end, after those that were added later. */
  onClose(task: () => Promise<void>): void;
  close(): Promise<void>;
};

export type Spawned = {
  readonly pid: number;
  readonly process: Subprocess;
  output(): Promise<string>;
  stop(): Promise<void>;
};

const ROOT = join(import.meta.dir, "..");
export const MAIN = join(ROOT, "src/main.ts");
export const BARE = join(import.meta.dir, "bare-server.ts");
const BARE_SOCKETS = join(import.meta.dir, "bare-sockets.ts");
const SOCKETS = join(import.meta.dir, "socket-process.ts");
const LOAD = join(import.meta.dir, "load-process.ts");

// Out of reach and not off: counting is a part of what every request costs.
const RATE_LIMITS = {
  RATE_LIMIT_REQUESTS: "9999999/1s",
  RATE_LIMIT_REGISTER: "1000/1m",
  RATE_LIMIT_SIGN_IN: "1000/1m",
  RATE_LIMIT_MESSAGES: "9999999/1s",
};

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 11_000;
// Beyond the time that the load was asked to run.
const LOAD_GRACE_MS = 15_000;

export function createLab(): Lab {
  const closing: (() => Promise<void>)[] = [];
  let outputs = 0;
  let closed: Promise<void> | undefined;

  async function folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), "guildhall-bench-"));
    closing.push(() => rm(path, { recursive: true, force: true }));
    return path;
  }

  const shared = Promise.withResolvers<string>();
  let hasOutputs = false;
  async function outputPath(): Promise<string> {
    if (!hasOutputs) {
      hasOutputs = true;
      shared.resolve(folder());
    }
    return join(await shared.promise, `output-${outputs++}.txt`);
  }

  async function spawn(
    command: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Spawned> {
    const path = await outputPath();
    const file = openSync(path, "w");
    // A given environment and not ours: settings that happen to be exported are none of the measurement's.
    const child = Bun.spawn([...command], { cwd: ROOT, env, stdin: "ignore", stdout: file, stderr: file });
    closeSync(file);
    const stop = () => end(child);
    closing.push(stop);
    return { pid: child.pid, process: child, output: () => readFile(path, "utf8"), stop };
  }

  async function listening(spawned: Spawned): Promise<Server> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (true) {
      const output = await spawned.output();
      const url = /https?:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0];
      if (url !== undefined)
        return { url, port: Number(new URL(url).port), pid: spawned.pid, stop: spawned.stop };
      if (spawned.process.exitCode !== null || performance.now() > deadline) {
        throw new Error(`a server did not start:\n${output.slice(-2_000)}`);
      }
      await Bun.sleep(5);
    }
  }

  async function closeAll(): Promise<void> {
    // What is started meanwhile by a measure that was broken off is ended as well.
    for (let task = closing.pop(); task !== undefined; task = closing.pop()) {
      await task().catch((error: unknown) => process.stderr.write(`while cleaning up: ${error}\n`));
    }
  }

  return {
    folder,
    spawn,
    async serve({ dataDir, args = [], env = {} }) {
      const command = [process.execPath, MAIN, "serve", "--port", "0", "--data-dir", dataDir, ...args];
      return listening(await spawn(command, { LOG_FORMAT: "json", ...RATE_LIMITS, ...env }));
    },
    async serveBare(bytes) {
      return listening(await spawn([process.execPath, BARE, String(bytes)]));
    },
    async serveBareSockets(bytes, firstBytes) {
      return listening(await spawn([process.execPath, BARE_SOCKETS, String(bytes), String(firstBytes)]));
    },
    sockets(spec) {
      const sockets = remoteSockets(spec);
      closing.push(sockets.end);
      return sockets;
    },
    load(spec) {
      const load = remoteLoad(spec);
      closing.push(load.end);
      return load;
    },
    onClose(task) {
      closing.push(task);
    },
    close: () => (closed ??= closeAll()),
  };
}

/** What is broken off leaves no process and no folder behind. The answer takes it back. */
export function closeOnSignal(lab: Lab): () => void {
  const end = () => void lab.close().finally(() => process.exit(1));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, end);
  return () => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, end);
  };
}

function remoteLoad(spec: LoadSpec): RemoteLoad & { end(): Promise<void> } {
  const { promise, resolve, reject } = Promise.withResolvers<LoadResult>();
  // Whoever asked for the load may have failed before looking at its result.
  promise.catch(() => {});
  const child = Bun.spawn([process.execPath, LOAD], {
    env: {},
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
    ipc(message: LoadAnswer) {
      clearTimeout(limit);
      if ("error" in message) reject(new Error(`load: ${message.error}`));
      else if (Object.keys(message.result.failures).length === 0) resolve(message.result);
      else
        reject(new Error(`load: unexpected answers by status: ${JSON.stringify(message.result.failures)}`));
      child.disconnect();
    },
    onExit() {
      clearTimeout(limit);
      reject(new Error("load: its process ended without a result"));
    },
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), spec.warmUpMs + spec.measureMs + LOAD_GRACE_MS);
  const tell = (command: LoadCommand) => child.send(command);
  tell({ start: spec });
  return { result: promise, stop: () => tell({ stop: true }), end: () => end(child) };
}

function remoteSockets(spec: SocketSpec): RemoteSockets & { end(): Promise<void> } {
  const opened = Promise.withResolvers<void>();
  const { promise, resolve, reject } = Promise.withResolvers<SocketResult>();
  const fail = (error: Error) => {
    opened.reject(error);
    reject(error);
  };
  // Whoever asked may have failed before looking.
  for (const waiting of [promise, opened.promise]) waiting.catch(() => {});
  const child = Bun.spawn([process.execPath, SOCKETS], {
    env: {},
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
    ipc(message: SocketAnswer) {
      if ("opened" in message) return opened.resolve();
      if ("error" in message) fail(new Error(`sockets: ${message.error}`));
      else resolve(message.result);
      child.disconnect();
    },
    onExit: () => fail(new Error("sockets: their process ended without a result")),
  });
  const tell = (command: SocketCommand) => child.send(command);
  tell({ start: spec });
  return {
    opened: opened.promise,
    result: promise,
    stop: () => tell({ stop: true }),
    end: () => end(child),
  };
}

async function end(child: Subprocess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const limit = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await child.exited;
  clearTimeout(limit);
}
