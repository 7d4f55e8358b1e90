import pino from "pino";

export type LogLines = {
  readonly log: pino.Logger;
  /** Everything written so far, as text. */
  text(): string;
  count(message: string): number;
};

export function logLines(): LogLines {
  const lines: string[] = [];
  const log = pino({ level: "trace" }, { write: (line: string) => lines.push(line) });
  return {
    log,
    text: () => lines.join(""),
    count: (message) => lines.filter((line) => JSON.parse(line).msg === message).length,
  };
}
