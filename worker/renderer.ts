import { parse } from "node:path";
import type { Subprocess } from "bun";
import type { Log } from "../src/log.ts";
import { lowerPriority, ownProgram } from "../src/own-program.ts";

/** One child process that renders one report at a time. */
export interface Renderer {
  /** A report as JSON to the bytes of its PDF. Throws RenderError. */
  render(report: string): Promise<Uint8Array>;
  /** Starts the child, so that the first report need not wait for it. */
  warm(): void;
  /** The child's process id; null when none runs. */
  pid(): number | null;
  /** Ends the child, at once; a running rendering fails. */
  kill(): void;
}

export type RenderRequest = { readonly id: number; readonly report: string };
export type RenderAnswer = { readonly id: number } & (
  | { readonly bytes: Uint8Array }
  | { readonly error: string }
);

/** `message` is fit for who asked for the document; the cause is in the log. */
export class RenderError extends Error {
  override readonly name = "RenderError";
}

export type RendererOptions = {
  readonly log: Log;
  readonly timeLimitMs?: number;
  /** After so many documents the child is replaced, which gives its memory back. */
  readonly documentsPerChild?: number;
  readonly command?: readonly string[];
};

const TIME_LIMIT_MS = 60_000;
const DOCUMENTS_PER_CHILD = 500;

/** As many renderers as jobs run at a time. Throws for less than one. */
export function createRenderers(count: number, options: RendererOptions): [Renderer, ...Renderer[]] {
  if (count < 1) throw new RangeError("at least one renderer is needed");
  return [createRenderer(options), ...Array.from({ length: count - 1 }, () => createRenderer(options))];
}

export function createRenderer(options: RendererOptions): Renderer {
  const { log, timeLimitMs = TIME_LIMIT_MS, documentsPerChild = DOCUMENTS_PER_CHILD } = options;
  const command = options.command ?? ownProgram("render");
  type Waiting = { readonly id: number; settle(result: Uint8Array | RenderError): void };
  let child: Subprocess | null = null;
  let waiting: Waiting | null = null;
  let nextId = 1;
  let documents = 0;

  function start(): Subprocess {
    documents = 0;
    const started = Bun.spawn([...command], {
      // Neither our environment nor a .env file of the working directory: a renderer has no use for secrets.
      env: {},
      cwd: parse(process.cwd()).root,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "inherit",
      serialization: "advanced",
      ipc(message: RenderAnswer) {
        if (waiting === null || message.id !== waiting.id) return;
        if ("bytes" in message) return waiting.settle(message.bytes);
        log.error({ renderer: message.error }, "a report could not be rendered");
        waiting.settle(new RenderError("The document could not be rendered."));
      },
      onExit(exited, code, signal) {
        if (child !== exited) return;
        child = null;
        waiting?.settle(new RenderError("The renderer stopped before the document was made."));
        log.warn({ code, signal }, "the renderer stopped");
      },
    });
    lowerPriority(started.pid);
    return started;
  }

  function kill(): void {
    const ended = child;
    child = null;
    ended?.kill("SIGKILL");
    waiting?.settle(new RenderError("The renderer was stopped before the document was made."));
  }

  return {
    async render(report) {
      if (waiting !== null) throw new Error("this renderer is busy");
      child ??= start();
      const id = nextId++;
      const renderer = child;
      const result = await new Promise<Uint8Array | RenderError>((resolve) => {
        const timer = setTimeout(() => {
          log.error({ timeLimitMs }, "a rendering took too long");
          resolve(new RenderError(`Rendering took longer than ${timeLimitMs / 1000} seconds.`));
          kill();
        }, timeLimitMs);
        const settle = (settled: Uint8Array | RenderError) => {
          clearTimeout(timer);
          resolve(settled);
        };
        waiting = { id, settle };
        try {
          renderer.send({ id, report } satisfies RenderRequest);
        } catch (error) {
          log.error({ err: error }, "the renderer takes no report");
          settle(new RenderError("The renderer could not be reached."));
          kill();
        }
      }).finally(() => {
        waiting = null;
      });
      documents += 1;
      if (documents >= documentsPerChild && child === renderer) {
        child = start();
        renderer.disconnect();
      }
      if (result instanceof RenderError) throw result;
      return result;
    },
    warm() {
      child ??= start();
    },
    pid: () => child?.pid ?? null,
    kill,
  };
}
