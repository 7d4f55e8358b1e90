import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, sync } from "./files.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import { type Kind, parseName } from "./names.ts";

export const backupsFolder = (dataDir: string): string => join(dataDir, "backups");

/** What is still being made, or already being removed: no name of a backup begins with a dot. */
export const temporaryName = (name: string): string => `.${name}.tmp`;
const TEMPORARY = /^\..+\.tmp$/;

export async function prepareShelf(dataDir: string): Promise<string> {
  const shelf = backupsFolder(dataDir);
  await mkdir(shelf, { recursive: true, mode: 0o700 });
  return shelf;
}

export type Shelved = { readonly name: string; readonly kind: Kind; readonly at: number };

/** Every backup by its name, oldest first, whole or broken. */
export async function names(dataDir: string): Promise<Shelved[]> {
  const found = await readdir(backupsFolder(dataDir)).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  });
  return found
    .flatMap((name) => {
      const parts = parseName(name);
      return parts === null ? [] : [{ name, ...parts }];
    })
    .toSorted((a, b) => a.at - b.at || (a.name < b.name ? -1 : 1));
}

/** `problem`: what can be told without reading the files, null when nothing is wrong as far as that. */
export type Listed = Shelved & { readonly manifest: Manifest | null; readonly problem: string | null };

export async function list(dataDir: string): Promise<Listed[]> {
  const shelved = await names(dataDir);
  return Promise.all(
    shelved.map(async (backup) => {
      const folder = join(backupsFolder(dataDir), backup.name);
      try {
        const manifest = await readManifest(folder);
        return { ...backup, manifest, problem: await sizeProblem(folder, manifest) };
      } catch (error) {
        return { ...backup, manifest: null, problem: error instanceof Error ? error.message : String(error) };
      }
    }),
  );
}

async function sizeProblem(folder: string, { files }: Manifest): Promise<string | null> {
  for (const { path, bytes } of files) {
    const size = await stat(join(folder, path)).then(
      (found) => found.size,
      () => null,
    );
    if (size === null) return `${path} is missing.`;
    if (size !== bytes) return `${path} has ${size} bytes instead of ${bytes}.`;
  }
  return null;
}

/** How many of a kind are kept; of kinds that are not named, all. */
export type Kept = Readonly<Partial<Record<Kind, number>>>;

/** Removes the oldest beyond what is kept; answers their names. To be called by who holds the lock. */
export async function prune(dataDir: string, kept: Kept): Promise<string[]> {
  const shelf = backupsFolder(dataDir);
  const pruned: string[] = [];
  for (const [kind, count] of Object.entries(kept)) {
    const ofKind = (await names(dataDir)).filter((backup) => backup.kind === kind);
    const superseded = kind === "before-migration" ? await supersededIn(shelf, ofKind) : [];
    const others = ofKind.filter((backup) => !superseded.includes(backup));
    for (const { name } of [...superseded, ...others.slice(0, -count)]) {
      // One rename first, so that what is half removed is never taken for a backup.
      await rename(join(shelf, name), join(shelf, temporaryName(name)));
      await sync(shelf);
      await rm(join(shelf, temporaryName(name)), { recursive: true, force: true });
      pruned.push(name);
    }
  }
  return pruned;
}

/**
 * Those after which there is another one of the same migrations: a migration that fails at every start would otherwise
 * push out what leads back to the program before it.
 */
async function supersededIn(shelf: string, oldestFirst: readonly Shelved[]): Promise<Shelved[]> {
  const seen = new Set<string>();
  const superseded: Shelved[] = [];
  for (const backup of oldestFirst.toReversed()) {
    const manifest = await readManifest(join(shelf, backup.name)).catch(() => null);
    const state = manifest === null ? backup.name : manifest.migrations.join();
    if (seen.has(state)) superseded.push(backup);
    seen.add(state);
  }
  return superseded;
}

/** Removes what processes left that died while they made or removed one. To be called by who holds the lock. */
export async function removeLeftovers(dataDir: string): Promise<void> {
  const shelf = backupsFolder(dataDir);
  const found = await readdir(shelf).catch(() => []);
  for (const name of found.filter((entry) => TEMPORARY.test(entry))) {
    await rm(join(shelf, name), { recursive: true, force: true });
  }
}
