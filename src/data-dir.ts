import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { link, mkdir, open, readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { finish, pending } from "./backups/swap.ts";
import { CommandError } from "./run.ts";

const Secrets = z.object({
  /** base64url of 32 random bytes. */
  jwtSecret: z.string().min(43),
  /** Names this installation in the leases of its server and workers. */
  installationId: z.uuid(),
});

export type Secrets = z.infer<typeof Secrets>;

/** Makes the folder on first use, with a .gitignore of its own, and reads the secrets that it generated then. */
export async function prepareDataDir(directory: string): Promise<Secrets> {
  // The folder may be an older one that everybody can look into, and SQLite gives its files the mode that the umask leaves.
  process.umask(0o077);
  const path = join(directory, "secrets.json");
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await finishRestore(directory);
    await writeFile(join(directory, ".gitignore"), "*\n", { flag: "wx" }).catch(ignoring("EEXIST"));
    const found = await readFile(path, "utf8").catch(ignoring("ENOENT"));
    return parsed(found ?? (await generateSecrets(path)), path);
  } catch (error) {
    throw codeOf(error) === null ? error : unusable(directory, error);
  }
}

/** A restore that was killed between its renames: until they are all done, the folder is half old and half new. */
export async function finishRestore(directory: string): Promise<void> {
  if ((await pending(directory)) === null) return;
  const lock = await lockSwap(directory);
  try {
    const swap = await pending(directory);
    if (swap === null) return;
    process.stderr.write(`The restore of ${swap.backup} was cut off, and is finished now:\n`);
    await finish(directory, swap, (done) => process.stderr.write(`  ${done}\n`));
  } finally {
    lock.release();
  }
}

function parsed(text: string, path: string): Secrets {
  try {
    return Secrets.parse(JSON.parse(text));
  } catch {
    throw new CommandError(
      `${path} is empty or broken. Restore it from a backup, or delete it: new secrets are then made, and everybody must sign in again.`,
    );
  }
}

function unusable(directory: string, error: unknown): CommandError {
  const reason = error instanceof Error ? error.message : String(error);
  return new CommandError(`The folder ${directory} cannot be used (DATA_DIR): ${reason}`);
}

/** Whoever links its file first wins, and everybody reads that one: a server and a worker may start together. */
async function generateSecrets(path: string): Promise<string> {
  const fresh: Secrets = {
    jwtSecret: Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url"),
    installationId: crypto.randomUUID(),
  };
  const temporary = `${path}.${process.pid}.tmp`;
  const text = `${JSON.stringify(fresh, null, 2)}\n`;
  try {
    // A name that outlives a power cut must not lead to an empty file.
    await writeSynced(temporary, text, "w");
    await link(temporary, path).catch((error: unknown) => {
      if (!NO_HARD_LINKS.has(codeOf(error) ?? "")) throw error;
      return writeSynced(path, text, "wx");
    });
  } catch (error) {
    ignoring("EEXIST")(error);
  } finally {
    await unlink(temporary).catch(ignoring("ENOENT"));
  }
  return readFile(path, "utf8");
}

/** What link(2) fails with on file systems without hard links, such as FAT and some network shares. */
const NO_HARD_LINKS: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL"]);

async function writeSynced(path: string, text: string, flag: "w" | "wx"): Promise<void> {
  const file = await open(path, flag, 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

const codeOf = (error: unknown): string | null =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;

function ignoring(code: string): (error: unknown) => null {
  return (error) => {
    if (codeOf(error) !== code) throw error;
    return null;
  };
}

export interface Lock {
  readonly name: string;
  release(): void;
}

const MAX_WORKERS = 64;

/** One server per folder. Null when another process is that server. */
export const lockServer = (directory: string): Lock | null => lock(directory, "serve");

/** One backup at a time. Null when another process makes one. */
export const lockBackups = (directory: string): Lock | null => lock(directory, "backups");

/** Who migrates a database that has data, its backup included. Null when another process does. */
export const lockMigration = (directory: string): Lock | null => lock(directory, "migration");

const SWAP_WAIT_MS = 30_000;
const SWAP_LOOK_MS = 50;

/** Who renames what a restore replaces. Waits for another process that does. */
export async function lockSwap(directory: string): Promise<Lock> {
  for (const end = performance.now() + SWAP_WAIT_MS; performance.now() < end; await Bun.sleep(SWAP_LOOK_MS)) {
    const held = lock(directory, "restore");
    if (held !== null) return held;
  }
  throw new CommandError(`A restore of ${directory} is going on. Try again when it is done.`);
}

/** All of a folder for one. Throws a CommandError when a server or a worker runs on it. */
export function lockUse(directory: string): Lock {
  const held: Lock[] = [];
  const release = () => {
    for (const one of held) one.release();
  };
  for (const name of ["serve", ...workersOf(directory)]) {
    const one = lock(directory, name);
    if (one === null) {
      release();
      throw inUse(directory, name);
    }
    held.push(one);
  }
  return { name: "serve", release };
}

/** Throws as `lockUse` does, and changes nothing. */
export function refuseUse(directory: string): void {
  for (const name of ["serve", ...workersOf(directory)]) {
    if (!existsSync(join(directory, `${name}.lock`))) continue;
    const one = lock(directory, name);
    if (one === null) throw inUse(directory, name);
    one.release();
  }
}

const workersOf = (directory: string): string[] =>
  Array.from({ length: MAX_WORKERS }, (_, index) => `worker-${index + 1}`).filter((name) =>
    existsSync(join(directory, `${name}.lock`)),
  );

const inUse = (directory: string, name: string): CommandError =>
  new CommandError(`A ${name === "serve" ? "server" : "worker"} runs on ${directory}. Stop it first.`);

/** The first free name among `worker-1`, `worker-2` ...: a restarted worker finds its own leases by it. */
export function lockWorker(directory: string): Lock {
  for (let number = 1; number <= MAX_WORKERS; number++) {
    const held = lock(directory, `worker-${number}`);
    if (held !== null) return held;
  }
  throw new CommandError(`More than ${MAX_WORKERS} workers use ${directory}.`);
}

/** An exclusive transaction on a SQLite file: the system frees it even after SIGKILL. */
function lock(directory: string, name: string): Lock | null {
  const file = opened(directory, `${name}.lock`);
  try {
    file.run("PRAGMA busy_timeout = 0");
    file.run("BEGIN EXCLUSIVE");
  } catch (error) {
    file.close();
    if (codeOf(error) === "SQLITE_BUSY") return null;
    throw unusable(directory, error);
  }
  return { name, release: () => file.close() };
}

function opened(directory: string, file: string): Database {
  try {
    return new Database(join(directory, file));
  } catch (error) {
    throw unusable(directory, error);
  }
}
