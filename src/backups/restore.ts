import { Database } from "bun:sqlite";
import { lstat, mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { openDatabase } from "../../db/open.ts";
import { type Lock, lockBackups, lockSwap, lockUse } from "../data-dir.ts";
import { type Restored, settle } from "../domain/restored.ts";
import { CommandError } from "../run.ts";
import { codeOf, copyDurably, digestOf, inSentence, inWords, requireSpace, sync } from "./files.ts";
import { DATABASE, DOCUMENTS, type Manifest, totalBytes } from "./manifest.ts";
import { stampOf } from "./names.ts";
import { begin, finish, inTheWay, pending, type Swap, type Told } from "./swap.ts";

const STAGED = /^\.restoring-/;

export type RestoreOptions = {
  /** A backup that was verified. */
  readonly folder: string;
  readonly name: string;
  readonly manifest: Manifest;
  readonly dataDir: string;
  /** Moves aside what is there, instead of refusing. */
  readonly replace: boolean;
  readonly now: number;
};

/** What is about to be done, in sentences, and under which names. Throws a CommandError where it must not be. */
export async function plan({ name, manifest, dataDir, replace, now }: RestoreOptions) {
  const found = await inTheWay(dataDir);
  await refuseMounted(dataDir, found);
  if (found.length > 0 && !replace) {
    throw new CommandError(
      `${dataDir} has data in it already: ${found.join(", ")}. With --replace it is moved aside, into a folder beside it.`,
    );
  }
  const swap: Swap = {
    backup: name,
    staged: `.restoring-${stampOf(now)}-${process.pid}`,
    replaced: await freeName(dataDir, now),
  };
  const moved = found.filter((entry) => isReplaced(entry, manifest));
  const documents = manifest.files.filter(({ path }) => path.startsWith(`${DOCUMENTS}/`)).length;
  const steps = [
    `copy ${manifest.files.length} files (${inWords(totalBytes(manifest))}, of them ${documents === 1 ? "1 document" : `${documents} documents`}) from ${name} into ${swap.staged}`,
    "in that copy: give chat a new epoch, end the sessions of accounts with a password, and note backup.restored",
    ...moved.map((entry) => `move ${entry} to ${swap.replaced}/${entry}`),
    `move what was copied to ${dataDir}`,
  ];
  return { swap, steps, moved };
}

/** What a backup does not have stays where it is: documents beside one whose documents are in a bucket. */
const isReplaced = (entry: string, { documents, files }: Manifest): boolean =>
  entry === DOCUMENTS
    ? documents.in === "files"
    : entry.startsWith(DATABASE) || files.some(({ path }) => path === entry);

/** What is a file system of its own cannot be renamed. */
async function refuseMounted(dataDir: string, entries: readonly string[]): Promise<void> {
  for (const entry of entries) {
    const [folder, found] = await Promise.all([stat(dataDir), lstat(join(dataDir, entry))]);
    if (folder.dev === found.dev) continue;
    throw new CommandError(
      `${join(dataDir, entry)} is on another file system than ${dataDir} and cannot be moved aside. Restore into ` +
        "another folder, and move from there.",
    );
  }
}

async function freeName(dataDir: string, now: number): Promise<string> {
  const taken: readonly string[] = await readdir(dataDir).catch(() => []);
  for (let time = now; ; time += 1_000) {
    const name = `replaced-${stampOf(time)}`;
    if (!taken.includes(name)) return name;
  }
}

/**
 * Puts a verified backup into a DATA_DIR. All is made ready beside what is there, which stays as it is until the
 * renames at the end; those are finished by the next start, should they be cut off.
 */
export async function restore(options: RestoreOptions, swap: Swap, told: Told): Promise<void> {
  const { folder, name, manifest, dataDir, now } = options;
  const staged = join(dataDir, swap.staged);
  const locks: Lock[] = [];
  let failing = "The backup could not be restored";
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    locks.push(lockUse(dataDir));
    const backups = lockBackups(dataDir);
    if (backups === null)
      throw new CommandError(`A backup of ${dataDir} is being made. Wait until it is done.`);
    locks.push(backups);
    await removeLeftovers(dataDir);
    await requireSpace(dataDir, totalBytes(manifest));
    await stage(folder, staged, manifest);
    await settleIn(staged, { name, madeAt: manifest.madeAt, version: manifest.version }, now);
    await refuseOpen(join(dataDir, DATABASE));
    locks.push(await lockSwap(dataDir));
    await begin(dataDir, swap);
    failing = "The restore has begun, and the next start is to finish it";
    await finish(dataDir, swap, told);
  } catch (error) {
    throw inSentence(error, failing, dataDir);
  } finally {
    // Once the swap has begun, what is staged is the new data.
    if ((await pending(dataDir)) === null) await rm(staged, { recursive: true, force: true });
    for (const lock of locks.toReversed()) lock.release();
  }
}

/** What a restore left that was killed before its swap. */
async function removeLeftovers(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    if (STAGED.test(name)) await rm(join(dataDir, name), { recursive: true, force: true });
  }
}

/** Copies and no links: what goes on from here has nothing to do with the backup. */
async function stage(folder: string, staged: string, { files, documents }: Manifest): Promise<void> {
  await mkdir(staged, { mode: 0o700 });
  if (documents.in === "files") await mkdir(join(staged, DOCUMENTS), { mode: 0o700 });
  for (const { path, sha256 } of files) {
    await copyDurably(join(folder, path), join(staged, path));
    if ((await digestOf(join(staged, path))).sha256 !== sha256) {
      throw new CommandError(`The copy of ${path} is not what the backup has: a disk or its memory fails.`);
    }
  }
  if (documents.in === "files") await sync(join(staged, DOCUMENTS));
}

async function settleIn(staged: string, backup: Restored, now: number): Promise<void> {
  const database = join(staged, DATABASE);
  const db = await openDatabase(pathToFileURL(database).href);
  try {
    await settle(db, backup, now);
  } finally {
    await db.close();
  }
  await sync(database);
  await sync(staged);
}

/** Also of a program that holds no lock of ours, such as a shell of SQLite's. */
async function refuseOpen(path: string): Promise<void> {
  if (!(await Bun.file(path).exists())) return;
  let database: Database | undefined;
  try {
    database = new Database(path, { readwrite: true, create: false });
    database.run("PRAGMA busy_timeout = 0");
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    database.query("SELECT count(*) FROM sqlite_schema").get();
  } catch (error) {
    // One that is too broken to be opened is a reason to restore.
    if (codeOf(error)?.startsWith("SQLITE_BUSY") !== true) return;
    throw new CommandError(`Another program has ${path} open. End it first.`);
  } finally {
    database?.close();
  }
}
