import { openDatabase } from "../../db/open.ts";
import { recordingCreated, recordingFailed } from "../domain/backups.ts";
import type { Core } from "../domain/core.ts";
import type { Log } from "../log.ts";
import type { Made } from "./make.ts";

/** A warning where the document store has lost something. */
function logMade(log: Log, made: Made): void {
  const [missing, altered] = [made.missing.length, made.altered.length];
  const line = { ...made, missing, altered };
  if (missing + altered === 0) log.info(line, "backup made");
  else log.warn(line, "backup made; documents are missing or other than the database knows them");
}

/** Records a backup in the database of a program that runs. */
export async function record(core: Core, made: Made): Promise<void> {
  logMade(core.log, made);
  await recordingCreated(core, made);
}

/** Records a backup in a database as it is: a newer program does not migrate the one that is being saved from it. */
export async function recordIn(
  databaseUrl: string,
  outcome: Made | { readonly failed: string },
): Promise<void> {
  const db = await openDatabase(databaseUrl);
  const core = { db, clock: Date.now };
  try {
    await ("failed" in outcome ? recordingFailed(core, outcome.failed) : recordingCreated(core, outcome));
  } finally {
    await db.close();
  }
}
