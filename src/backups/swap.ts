import { constants } from "node:fs";
import { access, mkdir, open, readdir, readFile, rename, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

/** What a restore replaces in a DATA_DIR; the database's log goes with it. */
const ENTRIES = [
  ["documents"],
  ["secrets.json"],
  ["guildhall.db-wal", "guildhall.db-shm", "guildhall.db"],
] as const;

const JOURNAL = "restoring.json";

/** Names below the DATA_DIR: where what comes is ready and whole, and where what is there goes. */
const Swap = z.object({
  backup: z.string(),
  staged: z.string().regex(/^\.restoring-[\w-]+$/),
  replaced: z.string().regex(/^replaced-\w+$/),
});

export type Swap = z.infer<typeof Swap>;

/** Called after each rename. */
export type Told = (done: string) => void;

/** From here on the swap is finished by whoever comes next, if not by us. */
export async function begin(directory: string, swap: Swap): Promise<void> {
  const journal = join(directory, JOURNAL);
  const file = await open(`${journal}.tmp`, "w", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(swap)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${journal}.tmp`, journal);
  await syncFolder(directory);
}

/** The swap that was begun and not finished, if there is one. */
export async function pending(directory: string): Promise<Swap | null> {
  const text = await readFile(join(directory, JOURNAL), "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  });
  return text === null ? null : Swap.parse(JSON.parse(text));
}

/**
 * Renames what is there aside and what is staged into its place. May be killed between any two steps and called again:
 * an entry is to be done as long as it is staged. To be called by one process at a time.
 */
export async function finish(directory: string, swap: Swap, told: Told): Promise<void> {
  const [staged, replaced] = [join(directory, swap.staged), join(directory, swap.replaced)];
  for (const names of ENTRIES) {
    const name = names[names.length - 1] ?? names[0];
    if (!(await exists(join(staged, name)))) continue;
    for (const old of names) {
      if (!(await exists(join(directory, old)))) continue;
      await mkdir(replaced, { recursive: true, mode: 0o700 });
      await rename(join(directory, old), join(replaced, old));
      told(`${old} -> ${swap.replaced}/${old}`);
    }
    await rename(join(staged, name), join(directory, name));
    told(`${name} of ${swap.backup} is in place`);
  }
  if (await exists(replaced)) await syncFolder(replaced);
  await syncFolder(directory);
  await unlink(join(directory, JOURNAL));
  await syncFolder(directory);
  await rm(staged, { recursive: true, force: true });
}

/** What is in the folder that a restore would move aside. */
export async function inTheWay(directory: string): Promise<string[]> {
  const found: readonly string[] = await readdir(directory).catch(() => []);
  return ENTRIES.flat().filter((name) => found.includes(name));
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
