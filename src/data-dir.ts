import { Database } from "bun:sqlite";
import { link, mkdir, readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

const Secrets = z.object({
  /** base64url of 32 random bytes. */
  jwtSecret: z.string().min(43),
  /** Names this installation in the leases of its server and workers. */
  installationId: z.uuid(),
});

export type Secrets = z.infer<typeof Secrets>;

/** Makes the folder on first use, with a .gitignore of its own, and reads the secrets that it generated then. */
export async function prepareDataDir(directory: string): Promise<Secrets> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeFile(join(directory, ".gitignore"), "*\n", { flag: "wx" }).catch(ignoreExisting);
  const path = join(directory, "secrets.json");
  const found = await readFile(path, "utf8").catch(() => null);
  return Secrets.parse(JSON.parse(found ?? (await generateSecrets(path))));
}

/** Whoever links its file first wins, and everybody reads that one: a server and a worker may start together. */
async function generateSecrets(path: string): Promise<string> {
  const fresh: Secrets = {
    jwtSecret: Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url"),
    installationId: crypto.randomUUID(),
  };
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, `${JSON.stringify(fresh, null, 2)}\n`, { mode: 0o600 });
  await link(temporary, path).catch(ignoreExisting);
  await unlink(temporary);
  return readFile(path, "utf8");
}

function ignoreExisting(error: unknown): void {
  if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
}

export interface Lock {
  readonly name: string;
  release(): void;
}

const MAX_WORKERS = 64;

/** One server per folder. Null when another process is that server. */
export const lockServer = (directory: string): Lock | null => lock(directory, "serve");

/** The first free name among `worker-1`, `worker-2` ...: a restarted worker finds its own leases by it. */
export function lockWorker(directory: string): Lock {
  for (let number = 1; number <= MAX_WORKERS; number++) {
    const held = lock(directory, `worker-${number}`);
    if (held !== null) return held;
  }
  throw new Error(`More than ${MAX_WORKERS} workers use ${directory}.`);
}

/** An exclusive transaction on a SQLite file: the system frees it even after SIGKILL. */
function lock(directory: string, name: string): Lock | null {
  const file = new Database(join(directory, `${name}.lock`));
  try {
    file.run("PRAGMA busy_timeout = 0");
    file.run("BEGIN EXCLUSIVE");
  } catch (error) {
    file.close();
    if (error instanceof Error && "code" in error && error.code === "SQLITE_BUSY") return null;
    throw error;
  }
  return { name, release: () => file.close() };
}
