import { access, copyFile, mkdir, rename, rm, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { lockBackups } from "../data-dir.ts";
import { CommandError } from "../run.ts";
import { version } from "../version.ts";
import {
  codeOf,
  copyDurably,
  digestOf,
  inSentence,
  linked,
  requireSpace,
  sync,
  writeDurably,
} from "./files.ts";
import {
  type BackedUpFile,
  DATABASE,
  DOCUMENTS,
  FORMAT,
  type Manifest,
  readManifest,
  SECRETS,
  totalBytes,
  writeManifest,
} from "./manifest.ts";
import { type Kind, nameOf } from "./names.ts";
import { type Kept, names, prepareShelf, prune, removeLeftovers, temporaryName } from "./shelf.ts";
import { factsOf, type NamedDocument, problemsIn, takeSnapshot } from "./snapshot.ts";

/** What is backed up, and how many are kept of it. */
export type Place = {
  readonly dataDir: string;
  /** The database's file. */
  readonly database: string;
  /** Null: documents are files below `dataDir`. */
  readonly s3: { readonly bucket: string; readonly endpoint: string | null } | null;
  readonly kept: Kept;
};

export type Order = { readonly place: Place; readonly kind: Kind; readonly at: number };

export type Made = {
  readonly name: string;
  readonly bytes: number;
  readonly ms: number;
  readonly documents: number;
  readonly missing: readonly string[];
  readonly altered: readonly string[];
  readonly pruned: readonly string[];
};

/** `writing`: this file is about to be written, in one go and by who does nothing else meanwhile. */
export type Answer =
  | { readonly writing: string }
  | { readonly made: Made }
  | { readonly refusal: string }
  | { readonly failure: string };

type Telling = (answer: Answer) => void;

/** Throws while another backup is being made. */
export function requireAlone(dataDir: string) {
  const lock = lockBackups(dataDir);
  if (lock === null) throw new CommandError(`Another backup of ${dataDir} is being made.`);
  return lock;
}

/** The child process: makes the backup that its parent asks for, and ends when that hangs up or is gone. */
export function serveMaker(): void {
  process.on("disconnect", () => process.exit(0));
  process.on("message", async (message: unknown) => {
    const tell: Telling = (answer) => void process.send?.(answer);
    tell(await answerTo(message as Order, tell));
  });
}

async function answerTo(order: Order, tell: Telling): Promise<Answer> {
  try {
    return { made: await make(order, tell) };
  } catch (error) {
    const told = inSentence(error, "The backup could not be written", order.place.dataDir);
    if (told instanceof CommandError) return { refusal: told.message };
    return { failure: told instanceof Error ? (told.stack ?? told.message) : String(told) };
  }
}

/** Blocks while it copies: for a process of its own. Throws a CommandError for what can be mended. */
async function make({ place, kind, at }: Order, tell: Telling): Promise<Made> {
  process.umask(0o077);
  const startedAt = performance.now();
  const { dataDir } = place;
  const shelf = await prepareShelf(dataDir);
  const lock = requireAlone(dataDir);
  try {
    await removeLeftovers(dataDir);
    const name = await freeName(dataDir, kind, at);
    const folder = join(shelf, temporaryName(name));
    let manifest: Manifest;
    try {
      manifest = await fill(folder, place, kind, at, tell);
      await rename(folder, join(shelf, name));
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
    await sync(shelf);
    const pruned = await prune(dataDir, place.kept);
    const { documents } = manifest;
    return {
      name,
      bytes: totalBytes(manifest),
      ms: Math.round(performance.now() - startedAt),
      documents: documents.in === "s3" ? documents.objects.length : documentsIn(manifest).length,
      missing: documents.in === "s3" ? [] : documents.missing,
      altered: documents.in === "s3" ? [] : documents.altered,
      pruned,
    };
  } finally {
    lock.release();
  }
}

async function freeName(dataDir: string, kind: Kind, at: number): Promise<string> {
  const taken = new Set((await names(dataDir)).map(({ name }) => name));
  for (let time = at; ; time += 1_000) {
    const name = nameOf(kind, time);
    if (!taken.has(name)) return name;
  }
}

const documentsIn = ({ files }: Manifest): BackedUpFile[] =>
  files.filter(({ path }) => path.startsWith(`${DOCUMENTS}/`));

/** The snapshot first, then the documents: so everything that it names is in the store already. */
async function fill(folder: string, place: Place, kind: Kind, at: number, tell: Telling): Promise<Manifest> {
  await requireSpace(dirname(folder), await sizeOf(place.database));
  await mkdir(folder, { mode: 0o700 });
  const database = join(folder, DATABASE);
  await writeDurably(database, "");
  tell({ writing: database });
  takeSnapshot(place.database, database);
  await sync(database);
  const [problem] = problemsIn(database);
  if (problem !== undefined)
    throw new CommandError(`${problem} No backup was made of it; the ones before are kept.`);
  const { migrations, chatEpoch, documents } = factsOf(database);
  const files: BackedUpFile[] = [{ path: DATABASE, ...(await digestOf(database)) }];
  const copied = place.s3 === null ? await copyDocuments(folder, place, documents) : null;
  files.push(...(copied?.files ?? []));
  if (await exists(join(place.dataDir, SECRETS))) {
    await copyDurably(join(place.dataDir, SECRETS), join(folder, SECRETS));
    files.push({ path: SECRETS, ...(await digestOf(join(folder, SECRETS))) });
  }
  const manifest: Manifest = {
    format: FORMAT,
    version,
    kind,
    madeAt: new Date(at).toISOString(),
    migrations: [...migrations],
    chatEpoch,
    documents:
      place.s3 === null
        ? { in: "files", missing: copied?.missing ?? [], altered: copied?.altered ?? [] }
        : { in: "s3", ...place.s3, objects: [...documents] },
    files,
  };
  await writeManifest(folder, manifest);
  await sync(folder);
  return manifest;
}

async function sizeOf(database: string): Promise<number> {
  const sizes = ["", "-wal"].map((suffix) =>
    stat(database + suffix).then(
      (found) => found.size,
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

type Copied = { files: BackedUpFile[]; missing: string[]; altered: string[] };

async function copyDocuments(folder: string, place: Place, named: readonly NamedDocument[]): Promise<Copied> {
  const copied: Copied = { files: [], missing: [], altered: [] };
  const target = join(folder, DOCUMENTS);
  await mkdir(target, { mode: 0o700 });
  const before = await newestDocuments(place.dataDir);
  for (const { key, sha256 } of named) {
    const source = join(place.dataDir, DOCUMENTS, key);
    try {
      const digest = await takeDocument(source, join(target, key), before);
      copied.files.push({ path: `${DOCUMENTS}/${key}`, ...digest });
      if (sha256 !== null && digest.sha256 !== sha256) copied.altered.push(key);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
      copied.missing.push(key);
    }
  }
  await sync(target);
  return copied;
}

/**
 * Objects are never changed in place, so a link is as good as a copy and costs nothing. Where the store is on another
 * file system, a link to the copy in the backup before; else a copy.
 */
async function takeDocument(source: string, target: string, before: ReadonlyMap<string, string>) {
  if (await linked(source, target)) return digestOf(target);
  const digest = await digestOf(source);
  const earlier = before.get(digest.sha256);
  if (earlier !== undefined && (await linked(earlier, target).catch(() => false))) {
    const found = await digestOf(target);
    if (found.sha256 === digest.sha256) return found;
    // What is in that backup is not what it was.
    await unlink(target);
  }
  await copyFile(source, target);
  await sync(target);
  return digestOf(target);
}

/** The documents of the newest backup that can be read: their files by what they hash to. */
async function newestDocuments(dataDir: string): Promise<Map<string, string>> {
  const newest = (await names(dataDir)).at(-1);
  if (newest === undefined) return new Map();
  const folder = join(await prepareShelf(dataDir), newest.name);
  const manifest = await readManifest(folder).catch(() => null);
  if (manifest === null) return new Map();
  return new Map(documentsIn(manifest).map(({ path, sha256 }) => [sha256, join(folder, path)]));
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
