import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";
import { CommandError } from "../run.ts";

/**
 * A new password: asked for twice on a terminal, where nothing of it is shown; else the first line of standard input.
 */
export async function readNewPassword(): Promise<string> {
  // One line: what `echo` or a password manager ends with is not part of it.
  if (!process.stdin.isTTY) return (await Bun.stdin.text()).replace(/\r?\n[\s\S]*$/, "");
  return unseen(async (ask) => {
    const password = await ask("Password: ");
    if ((await ask("Once more: ")) !== password) throw new CommandError("The two passwords differ.");
    return password;
  });
}

type Ask = (question: string) => Promise<string>;

const ENDING = ["SIGINT", "SIGTERM", "SIGQUIT"] as const;

/** Lines from the terminal, edited as usual and not shown; however it ends, the terminal shows again what is typed. */
async function unseen<T>(dialogue: (ask: Ask) => Promise<T>): Promise<T> {
  // The editor redraws the line at every key: nothing of that gets anywhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const editor = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  const lines = linesOf(editor);
  function end(signal: NodeJS.Signals): void {
    editor.close();
    process.stderr.write("\n");
    // With no handler of ours the signal ends the process, and the shell learns by what.
    for (const each of ENDING) process.off(each, end);
    process.kill(process.pid, signal);
  }
  for (const signal of ENDING) process.on(signal, end);
  editor.on("SIGINT", () => end("SIGINT"));
  // Ctrl-Z, upon which the editor would have the terminal show what is typed.
  editor.on("SIGTSTP", () => {});
  try {
    return await dialogue(async (question) => {
      process.stderr.write(question);
      const line = await lines.next();
      process.stderr.write("\n");
      if (line === null) throw new CommandError("No password was given.");
      return line;
    });
  } finally {
    for (const signal of ENDING) process.off(signal, end);
    lines.end();
    editor.close();
  }
}

type Key = { readonly ctrl: boolean; readonly name: string };

/** What is pasted may be several lines at once: those that nobody asked for yet wait. */
function linesOf(editor: Interface): { next(): Promise<string | null>; end(): void } {
  const waiting: string[] = [];
  let isOver = false;
  let tell = () => {};
  editor.on("line", (line) => {
    waiting.push(line);
    tell();
  });
  editor.on("close", () => {
    isOver = true;
    tell();
  });
  // At a terminal Ctrl-D also hands over what was typed; the editor takes away what stands right of the cursor.
  const isCtrlD = (key: Key) => key.ctrl && key.name === "d" && editor.line !== "";
  function before(_text: unknown, key: Key): void {
    if (isCtrlD(key)) editor.write(null, { ctrl: true, name: "e" });
  }
  function after(_text: unknown, key: Key): void {
    if (isCtrlD(key)) editor.write("\n");
  }
  process.stdin.prependListener("keypress", before).on("keypress", after);
  return {
    end() {
      process.stdin.off("keypress", before).off("keypress", after);
    },
    async next() {
      while (waiting.length === 0 && !isOver) {
        await new Promise<void>((resolve) => {
          tell = resolve;
        });
      }
      return waiting.shift() ?? null;
    },
  };
}
