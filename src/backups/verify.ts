import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { newerThanThis } from "../../db/open.ts";
import type { DocumentStore } from "../domain/core.ts";
import { digestOf } from "./files.ts";
import { DATABASE, DOCUMENTS, type Manifest, readManifest } from "./manifest.ts";
import { type Facts, factsOf, problemsIn } from "./snapshot.ts";

export type Verdict = {
  /** Null when it cannot be read. */
  readonly manifest: Manifest | null;
  /** What is wrong, in sentences: none of it may be trusted. */
  readonly problems: readonly string[];
  /** What one has to know of a good backup. */
  readonly notes: readonly string[];
};

/** Looks at every byte of a backup. What is in a bucket is looked at by `verifyObjects`. */
export async function verify(folder: string): Promise<Verdict> {
  const problems: string[] = [];
  const notes: string[] = [];
  let manifest: Manifest;
  try {
    manifest = await readManifest(folder);
  } catch (error) {
    return { manifest: null, problems: [error instanceof Error ? error.message : String(error)], notes };
  }
  for (const { path, bytes, sha256 } of manifest.files) {
    const problem = await fileProblem(join(folder, path), bytes, sha256);
    if (problem !== null) problems.push(`${path} ${problem}`);
  }
  if (!manifest.files.some(({ path }) => path === DATABASE))
    problems.push(`${DATABASE} is not in the manifest.`);
  // What is in a damaged file says nothing.
  if (problems.length === 0) problems.push(...databaseProblems(join(folder, DATABASE), manifest));
  const strange = await strangeFiles(folder, manifest);
  if (strange.length > 0) notes.push(`Not in the manifest, and never restored: ${strange.join(", ")}.`);
  if (manifest.documents.in === "files") {
    const { missing, altered } = manifest.documents;
    if (missing.length > 0) notes.push(`Already missing when it was made: ${some(missing)}.`);
    if (altered.length > 0) notes.push(`Already other than recorded when it was made: ${some(altered)}.`);
  }
  return { manifest, problems, notes };
}

async function fileProblem(path: string, bytes: number, sha256: string): Promise<string | null> {
  try {
    const found = await lstat(path);
    // A link may lead anywhere, to what never ends too.
    if (!found.isFile()) return "is no file.";
    const { size } = found;
    if (size !== bytes) return `has ${size} bytes instead of ${bytes}.`;
    return (await digestOf(path)).sha256 === sha256 ? null : "is not what it was: its checksum is another.";
  } catch (error) {
    return `cannot be read: ${error instanceof Error ? error.message : error}`;
  }
}

function databaseProblems(path: string, manifest: Manifest): string[] {
  let facts: Facts;
  try {
    const problems = problemsIn(path);
    if (problems.length > 0) return problems;
    facts = factsOf(path);
  } catch (error) {
    return [`The database cannot be read: ${error instanceof Error ? error.message : error}`];
  }
  const problems: string[] = [];
  if (facts.migrations.join() !== manifest.migrations.join()) {
    problems.push("The database has other migrations than the manifest says.");
  }
  const newer = newerThanThis(facts.migrations);
  if (newer !== null) problems.push(newer);
  const absent = absentDocuments(facts, manifest);
  if (absent.length > 0) problems.push(`The database names documents that are not there: ${some(absent)}.`);
  return problems;
}

function absentDocuments({ documents }: Facts, manifest: Manifest): string[] {
  const known = new Set(
    manifest.documents.in === "s3"
      ? manifest.documents.objects.map(({ key }) => key)
      : [
          ...manifest.documents.missing,
          ...manifest.files.map(({ path }) => path.replace(`${DOCUMENTS}/`, "")),
        ],
  );
  return documents.flatMap(({ key }) => (known.has(key) ? [] : [key]));
}

async function strangeFiles(folder: string, { files }: Manifest): Promise<string[]> {
  const known = new Set(["manifest.json", "manifest.sha256", DOCUMENTS, ...files.map(({ path }) => path)]);
  const found = await readdir(folder, { recursive: true });
  return found.filter((path) => !known.has(path.replaceAll("\\", "/")));
}

const OBJECTS_AT_ONCE = 8;

/** What is wrong with the objects in the bucket that a backup names, in sentences. Rejects when it cannot be asked. */
export async function verifyObjects(
  manifest: Manifest,
  store: Pick<DocumentStore, "get">,
): Promise<string[]> {
  if (manifest.documents.in !== "s3") return [];
  const missing: string[] = [];
  const altered: string[] = [];
  const waiting = manifest.documents.objects.values();
  async function work(): Promise<void> {
    for (const { key, sha256 } of waiting) {
      const object = await store.get(key);
      if (object === null) missing.push(key);
      else if (sha256 !== null && hash(object) !== sha256) altered.push(key);
    }
  }
  await Promise.all(Array.from({ length: OBJECTS_AT_ONCE }, work));
  return [
    ...(missing.length > 0 ? [`Missing in the bucket: ${some(missing.toSorted())}.`] : []),
    ...(altered.length > 0 ? [`In the bucket with other bytes: ${some(altered.toSorted())}.`] : []),
  ];
}

const hash = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

const MAX_NAMED = 5;

/** The first few by name, and how many more. */
export function some(keys: readonly string[]): string {
  const more = keys.length - MAX_NAMED;
  return keys.slice(0, MAX_NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
