import { openDatabase } from "../../db/open.ts";
import { type FailedBackup, recordFailed, recordingCreated, recordingFailed } from "../domain/backups.ts";
import type { Core, Keys } from "../domain/core.ts";
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
export const recordIn = (databaseUrl: string, made: Made): Promise<void> =>
  within(databaseUrl, (core) => recordingCreated(core, made));

/** The same for one that somebody asked for and that failed; the server sends what is to be mailed. */
export const recordFailedIn = (databaseUrl: string, sealingKeys: Keys, reason: string): Promise<void> =>
  within(databaseUrl, async (core) => {
    const failed: FailedBackup = { made: "manual", reason };
    try {
      await recordFailed({ ...core, settings: { sealingKeys } }, failed);
    } catch {
      // One of an older program may have no mails to be sent.
      await recordingFailed(core, failed);
    }
  });

async function within(
  databaseUrl: string,
  act: (core: Pick<Core, "db" | "clock">) => PromiseLike<unknown>,
): Promise<void> {
  const db = await openDatabase(databaseUrl);
  try {
    await act({ db, clock: Date.now });
  } finally {
    await db.close();
  }
}
