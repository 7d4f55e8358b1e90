import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { inWords } from "../backups/files.ts";
import { requireAlone } from "../backups/make.ts";
import { makeBackup } from "../backups/maker.ts";
import { type Manifest, totalBytes } from "../backups/manifest.ts";
import { parseName } from "../backups/names.ts";
import { requirePlace, requireWithin } from "../backups/place.ts";
import { recordFailedIn, recordIn } from "../backups/record.ts";
import * as restoring from "../backups/restore.ts";
import * as shelf from "../backups/shelf.ts";
import { some, type Verdict, verify, verifyObjects } from "../backups/verify.ts";
import { openBucket } from "../compose.ts";
import { type Config, type Flags, loadSettings } from "../config.ts";
import { finishRestore, prepareDataDir, refuseUse } from "../data-dir.ts";
import { derivedKeys, jwtSecretsOf } from "../derived-keys.ts";
import { CommandError } from "../run.ts";

const say = (line: string): void => void process.stdout.write(`${line}\n`);

export async function createBackup(flags: Flags): Promise<void> {
  const { config } = loadSettings(flags);
  const place = requirePlace(config);
  if (!existsSync(place.database)) throw new CommandError(`There is no database at ${place.database}.`);
  const secrets = await prepareDataDir(config.dataDir);
  // Which is no failure that anybody would have to be told of.
  requireAlone(config.dataDir).release();
  const made = await makeBackup(place, "manual", { at: Date.now() }).catch(async (error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    const sealingKeys = derivedKeys(jwtSecretsOf(config, secrets), "waiting mails");
    // Where even this cannot be written, whoever asked for the backup still is told why there is none.
    await recordFailedIn(config.databaseUrl, sealingKeys, reason).catch(() => {});
    throw error;
  });
  say(
    `${made.name}: ${inWords(made.bytes)}, ${counted(made.documents)}, in ${(made.ms / 1000).toFixed(1)} s.`,
  );
  if (made.missing.length > 0) say(`Missing in the document store: ${some(made.missing)}.`);
  if (made.altered.length > 0) say(`Other than the database knows them: ${some(made.altered)}.`);
  await recordIn(config.databaseUrl, made).catch(() => say("It could not be noted in the audit log."));
}

export async function listBackups(flags: Flags): Promise<void> {
  const { config } = loadSettings(flags);
  const found = await shelf.list(config.dataDir);
  if (found.length === 0) return say(`There are no backups in ${shelf.backupsFolder(config.dataDir)}.`);
  for (const { name, kind, at, manifest, problem } of found) {
    const size = manifest === null ? "-" : inWords(totalBytes(manifest));
    const state = problem === null ? "ok" : `BROKEN: ${problem}`;
    say([name, kind, new Date(at).toISOString(), size, manifest?.version ?? "-", state].join("\t"));
  }
}

export async function verifyBackups(flags: Flags, given: string | null, all: boolean): Promise<void> {
  const { config } = loadSettings(flags);
  const found = (await shelf.names(config.dataDir)).map(({ name }) => name);
  const wanted = all ? found : [given ?? found.at(-1)].filter((name) => name !== undefined);
  if (wanted.length === 0)
    throw new CommandError(`There are no backups in ${shelf.backupsFolder(config.dataDir)}.`);
  let broken = 0;
  for (const name of wanted) {
    const { manifest, problems, notes } = await verdictOf(config, locate(config.dataDir, name).folder);
    say(`${name}: ${problems.length === 0 ? `ok, ${contents(manifest)}` : "BROKEN"}`);
    for (const line of [...problems, ...notes]) say(`  ${line}`);
    if (problems.length > 0) broken += 1;
  }
  if (broken > 0)
    throw new CommandError(broken === 1 ? "One backup is broken." : `${broken} backups are broken.`);
}

export async function restoreBackup(
  flags: Flags,
  given: string,
  { dryRun, replace }: { readonly dryRun: boolean; readonly replace: boolean },
): Promise<void> {
  process.umask(0o077);
  const { config } = loadSettings(flags);
  const { dataDir } = config;
  requireWithin(config);
  const { name, folder } = locate(dataDir, given);
  refuseUse(dataDir);
  if (!dryRun) await finishRestore(dataDir);
  const { manifest, problems, notes } = await verify(folder);
  if (manifest === null || problems.length > 0) {
    throw new CommandError(
      [`${name} cannot be restored:`, ...problems.map((line) => `  ${line}`)].join("\n"),
    );
  }
  const options = { name, folder, manifest, dataDir, replace, now: Date.now() };
  const { swap, steps, moved } = await restoring.plan(options);
  say(`${name}: ${contents(manifest)}, verified.`);
  for (const line of [...notes, ...storeNotes(config, manifest)]) say(`  ${line}`);
  say(dryRun ? "To be done:" : "Doing:");
  for (const [index, step] of steps.entries()) say(`  ${index + 1}. ${step}`);
  if (dryRun) return say("Nothing was changed.");
  say("From the first rename on, a restore that is cut off is finished by the next start.");
  await restoring.restore(options, swap, (done) => say(`  ${done}`));
  say(`${dataDir} has what ${name} holds. The next start brings it up to date.`);
  if (moved.length > 0) {
    say(
      `What was there is in ${join(dataDir, swap.replaced)}. To go back, stop everything and move it back by hand;`,
    );
    say("delete it when it is not needed any more.");
  }
}

async function verdictOf(config: Config, folder: string): Promise<Verdict> {
  const verdict = await verify(folder);
  const documents = verdict.manifest?.documents;
  if (verdict.manifest === null || documents?.in !== "s3") return verdict;
  if (config.s3 === null) {
    const unseen = `Its documents are in the S3 bucket ${documents.bucket}, which no setting names (S3_BUCKET): they could not be looked at.`;
    return { ...verdict, problems: [...verdict.problems, unseen] };
  }
  const elsewhere = storeNotes(config, verdict.manifest);
  const problems = await verifyObjects(verdict.manifest, await openBucket(config.s3));
  return {
    ...verdict,
    problems: [...verdict.problems, ...problems],
    notes: [...verdict.notes, ...elsewhere],
  };
}

/** Where the settings and the backup do not agree on where documents are. */
function storeNotes({ s3 }: Config, { documents }: Manifest): string[] {
  if (documents.in === "files") {
    return s3 === null
      ? []
      : [`Its documents are files, and S3_BUCKET is set: put them into the bucket ${s3.bucket}.`];
  }
  const there = `the S3 bucket ${documents.bucket}${documents.endpoint === null ? "" : ` at ${documents.endpoint}`}`;
  if (s3?.bucket === documents.bucket && (s3.endpoint ?? null) === documents.endpoint) return [];
  return [`Its documents are in ${there}; the settings name ${s3 === null ? "none" : "another place"}.`];
}

function contents(manifest: Manifest | null): string {
  if (manifest === null) return "";
  const { documents, files } = manifest;
  const count =
    documents.in === "s3"
      ? `${counted(documents.objects.length)} in S3`
      : counted(files.filter(({ path }) => path.startsWith("documents/")).length);
  return `${inWords(totalBytes(manifest))}, ${count}, made ${manifest.madeAt} by ${manifest.version}`;
}

const counted = (documents: number): string => `${documents} document${documents === 1 ? "" : "s"}`;

/** A name below the DATA_DIR, or a folder anywhere. */
function locate(dataDir: string, given: string): { readonly name: string; readonly folder: string } {
  if (parseName(given) !== null) {
    const folder = join(shelf.backupsFolder(dataDir), given);
    if (existsSync(folder)) return { name: given, folder };
  }
  const folder = resolve(given);
  if (!existsSync(folder)) {
    throw new CommandError(
      `There is no backup ${given}, neither in ${shelf.backupsFolder(dataDir)} nor as a folder.`,
    );
  }
  return { name: basename(folder), folder };
}
