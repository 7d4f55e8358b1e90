import pino from "pino";

export type Log = pino.Logger;

export type LogOptions = { readonly level: string; readonly format: "pretty" | "json" };

/** Logs to standard output; call `flush` before the process ends. */
export async function openLog({ level, format }: LogOptions): Promise<Log> {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: ["password", "token", "authorization", "headers.authorization", "headers.cookie"],
  };
  if (format === "pretty") {
    const { default: pretty } = await import("pino-pretty");
    return pino(options, pretty({ colorize: true, ignore: "pid,hostname", singleLine: true, sync: true }));
  }
  // Buffered: one write per request would cost more than the request. Flushed four times a second and at the end.
  const destination = pino.destination({ dest: 1, sync: false, minLength: 4_096 });
  setInterval(() => destination.flush(), 250).unref();
  return pino(options, destination);
}
