import { openDatabase } from "../../db/open.ts";
import { recordingCreated } from "../domain/backups.ts";
import type { Made } from "./make.ts";

/** Records a backup in a database as it is: a newer program does not migrate the one that is being saved from it. */
export async function recordIn(databaseUrl: string, made: Made): Promise<void> {
  const db = await openDatabase(databaseUrl);
  try {
    await recordingCreated({ db, clock: Date.now }, made);
  } finally {
    await db.close();
  }
}
