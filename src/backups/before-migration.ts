import { type Db, migrate, migrationState } from "../../db/open.ts";
import { type Lock, lockMigration } from "../data-dir.ts";
import type { Log } from "../log.ts";
import { CommandError } from "../run.ts";
import type { Made, Place } from "./make.ts";
import { makeBackup } from "./maker.ts";

export type Migrated = { readonly applied: readonly string[]; readonly backup: Made | null };

const LOOK_EVERY_MS = 100;

/**
 * Brings the database up to date; one that has data is backed up before. With several processes that start together
 * one does both, and the others wait. `place` is null where no backup is to be made.
 */
export async function migrateSafely(db: Db, place: Place | null, log: Log): Promise<Migrated> {
  const migrated = () => migrate(db, undefined, () => log.info("waiting for whoever changes the database"));
  if (place === null || !(await isDue(db))) return { applied: await migrated(), backup: null };
  const lock = await soleMigration(place.dataDir, log);
  try {
    const backup = (await isDue(db)) ? await backUp(db, place) : null;
    return { applied: await migrated(), backup };
  } finally {
    lock.release();
  }
}

/** A new database has nothing to lose. */
async function isDue(db: Db): Promise<boolean> {
  const { applied, missing } = await migrationState(db);
  return applied.length > 0 && missing.length > 0;
}

async function soleMigration(dataDir: string, log: Log): Promise<Lock> {
  for (let waited = 0; ; waited += LOOK_EVERY_MS) {
    const lock = lockMigration(dataDir);
    if (lock !== null) return lock;
    if (waited === 0) log.info("another process brings the database up to date; waiting for it");
    await Bun.sleep(LOOK_EVERY_MS);
  }
}

async function backUp(db: Db, place: Place): Promise<Made> {
  const { missing } = await migrationState(db);
  try {
    return await makeBackup(place, "before-migration", { at: Date.now() });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(
      `The database is to be migrated (${missing.join(", ")}), and no backup could be made before: ${reason} Mend that, ` +
        "or go on without a backup by BACKUP_BEFORE_MIGRATION=off.",
      { cause: error },
    );
  }
}
