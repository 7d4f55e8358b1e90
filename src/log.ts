import { write, writeSync } from "node:fs";
import pino from "pino";

export type Log = pino.Logger;

export type LogOptions = {
  readonly level: string;
  readonly format: "pretty" | "json";
  /** Standard output unless said otherwise, as what a short command answers is there. */
  readonly to?: "stdout" | "stderr";
};

export type RequestLine = {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly ms: number;
};

/** Writes the one line of a request. */
export type RequestLog = (line: RequestLine) => void;

export type OpenLog = { readonly log: Log; readonly logRequest: RequestLog };

const FLUSH_EVERY_MS = 250;
const FLUSH_BYTES = 64 * 1024;
// When nobody reads our output, lines beyond this are lost rather than memory.
const MAX_WAITING_BYTES = 8 * 1024 * 1024;

const DESCRIPTORS = { stdout: 1, stderr: 2 } as const;

/** Call `flush` before the process ends. */
export async function openLog({ level, format, to = "stdout" }: LogOptions): Promise<OpenLog> {
  const descriptor = DESCRIPTORS[to];
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: ["password", "token", "authorization", "headers.authorization", "headers.cookie"],
  };
  if (format === "pretty") {
    const { default: pretty } = await import("pino-pretty");
    const log = pino(
      options,
      pretty({
        colorize: true,
        ignore: "pid,hostname",
        singleLine: true,
        sync: true,
        destination: descriptor,
      }),
    );
    return { log, logRequest: requestLogOf(log) };
  }
  const sink = openSink(descriptor);
  const log = pino(options, sink);
  return { log, logRequest: log.isLevelEnabled("info") ? byHand(sink.write) : () => {} };
}

/** Buffered: one write per request would cost more than the request. */
function openSink(descriptor: number) {
  let lines: string[] = [];
  let waitingBytes = 0;
  let writing = false;
  let flushed: (() => void)[] = [];

  function writeOut(): void {
    if (writing) return;
    const done = flushed;
    flushed = [];
    if (lines.length === 0) {
      for (const call of done) call();
      return;
    }
    const text = Buffer.from(lines.join(""));
    lines = [];
    waitingBytes = 0;
    writing = true;
    writeWhole(descriptor, text, () => {
      writing = false;
      for (const call of done) call();
      if (flushed.length > 0 || waitingBytes >= FLUSH_BYTES) writeOut();
    });
  }
  setInterval(writeOut, FLUSH_EVERY_MS).unref();
  // A start that fails ends without a flush; what it said before is wanted then.
  process.on("exit", () => {
    if (lines.length > 0) writeSync(descriptor, lines.join(""));
  });

  return {
    write(line: string): void {
      if (waitingBytes > MAX_WAITING_BYTES) return;
      lines.push(line);
      waitingBytes += line.length;
      if (waitingBytes >= FLUSH_BYTES) writeOut();
    },
    /** Calls back when everything that was written is out. */
    flush(done: () => void = () => {}): void {
      flushed.push(done);
      writeOut();
    },
  };
}

const BLOCKED_RETRY_MS = 20;

/** To its end, also where a pipe takes a part at a time; what cannot be written at all is lost. */
function writeWhole(descriptor: number, bytes: Buffer, done: () => void): void {
  write(descriptor, bytes, (error, written) => {
    if (error?.code === "EAGAIN") setTimeout(() => writeWhole(descriptor, bytes, done), BLOCKED_RETRY_MS);
    else if (error || written === bytes.length) done();
    else writeWhole(descriptor, bytes.subarray(written), done);
  });
}

/** Through pino, where lines are few. */
export const requestLogOf =
  (log: Log): RequestLog =>
  (line) =>
    log.info(line, "request");

/** The line that pino would write, at a fifth of its cost: with one line per request that shows. */
function byHand(write: (line: string) => void): RequestLog {
  let second = 0;
  let prefix = "";
  return function logRequest({ requestId, method, path, status, ms }) {
    const now = Date.now();
    if (now - second >= 1000 || now < second) {
      second = now - (now % 1000);
      prefix = `{"level":30,"time":"${new Date(second).toISOString().slice(0, -"000Z".length)}`;
    }
    const millisecond = String(now - second).padStart(3, "0");
    write(
      `${prefix}${millisecond}Z","requestId":${JSON.stringify(requestId)},"method":"${method}",` +
        `"path":${JSON.stringify(path)},"status":${status},"ms":${ms},"msg":"request"}\n`,
    );
  };
}
