import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { openDatabase } from "../db/open.ts";
import { eventually } from "./adapters/eventually.ts";
import { startTestApp } from "./support/app.ts";
import { runCommand } from "./support/command.ts";
import { temporaryFolder } from "./support/server.ts";

setDefaultTimeout(60_000);

const ROOT = join(import.meta.dir, "..");
const PASSWORD = "Correct-Horse-ё1";
const ENTER = "\r";
const BACKSPACE = "\x7f";
const LEFT = "\x1b[D";
const [CTRL_C, CTRL_D, CTRL_U, CTRL_Z] = ["\x03", "\x04", "\x15", "\x1a"];
// Of a terminal's local modes (termios).
const ECHO = 0o10;

let folder: ReturnType<typeof temporaryFolder>;
const closing: (() => Promise<unknown>)[] = [];

beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  await folder.remove();
});

/** `guildhall user add` at a terminal of its own, which is asked for the password. */
async function addUser() {
  const decoder = new TextDecoder();
  let shown = "";
  const terminal = new Bun.Terminal({
    data: (_terminal, data) => {
      shown += decoder.decode(data, { stream: true });
    },
  });
  const modes = terminal.localFlags;
  const child = Bun.spawn(["bun", "src/main.ts", "user", "add", "ada@example.org", "--password-stdin"], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? "", DATA_DIR: folder.path },
    terminal,
  });
  closing.push(async () => {
    child.kill("SIGKILL");
    await child.exited;
    terminal.close();
  });
  const shows = (text: string) => eventually(() => shown.includes(text), 30_000);
  await shows("Password: ");
  expect([modes & ECHO, terminal.localFlags & ECHO]).toEqual([ECHO, 0]);
  return {
    pid: child.pid,
    type: (...keys: readonly string[]) => terminal.write(keys.join("")),
    shows,
    /** Its exit code or signal, and all that was to be seen, once the terminal is as it was before. */
    async end() {
      await child.exited;
      await eventually(() => terminal.localFlags === modes);
      return [child.exitCode ?? child.signalCode, shown.replaceAll("\r\n", "\n")];
    },
  };
}

const known = async () => (await runCommand(["user", "list"], { dataDir: folder.path })).out;

test("a password that is typed twice is not shown, and signs in", async () => {
  const adding = await addUser();
  adding.type("a slip", CTRL_U, PASSWORD.slice(0, -2), "xж", BACKSPACE, BACKSPACE, PASSWORD.slice(-2), ENTER);
  await adding.shows("Once more: ");
  adding.type(PASSWORD, ENTER);
  await adding.shows("was added");
  expect(await adding.end()).toEqual([0, "Password: \nOnce more: \nada <ada@example.org> was added.\n"]);

  const app = await startTestApp({
    db: await openDatabase(pathToFileURL(join(folder.path, "guildhall.db")).href),
  });
  closing.push(app.close);
  const signIn = (password: string) =>
    app.call("POST", "/login", { body: { username: "ada", password } }).then(({ status }) => status);
  expect([await signIn(PASSWORD), await signIn("a slip")]).toEqual([200, 401]);
});

test("both lines may come at once, as when they are pasted, and Ctrl-D hands a line over", async () => {
  const adding = await addUser();
  adding.type(PASSWORD, ENTER, PASSWORD, CTRL_D);
  await adding.shows("was added");
  expect(await adding.end()).toEqual([0, "Password: \nOnce more: \nada <ada@example.org> was added.\n"]);
});

test("Ctrl-D hands over the whole line wherever the cursor is, and Ctrl-Z does nothing", async () => {
  const adding = await addUser();
  adding.type("half", CTRL_Z, CTRL_U, PASSWORD, LEFT, LEFT, CTRL_D);
  await adding.shows("Once more: ");
  adding.type(PASSWORD, CTRL_Z, ENTER);
  await adding.shows("was added");
  expect(await adding.end()).toEqual([0, "Password: \nOnce more: \nada <ada@example.org> was added.\n"]);
});

test.each([
  ["Ctrl-C", ["half of i", CTRL_C], "SIGINT", "Password: \n"],
  ["Ctrl-D on an empty line", [CTRL_D], 1, "Password: \nNo password was given.\n"],
  [
    "another password the second time",
    [PASSWORD, ENTER, `${PASSWORD}!`, ENTER],
    1,
    "Password: \nOnce more: \nThe two passwords differ.\n",
  ],
] as const)("%s ends it, and the terminal shows again what is typed", async (_name, keys, code, shown) => {
  const adding = await addUser();
  adding.type(...keys);
  await adding.shows(shown.replaceAll("\n", "\r\n"));
  expect(await adding.end()).toEqual([code, shown]);
  expect(await known()).toBe("");
});

test("SIGTERM leaves the terminal as it was, too", async () => {
  const adding = await addUser();
  adding.type("half of i");
  process.kill(adding.pid, "SIGTERM");
  expect(await adding.end()).toEqual(["SIGTERM", expect.stringMatching(/^Password: \n?$/)]);
  expect(await known()).toBe("");
});
