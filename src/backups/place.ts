import { join } from "node:path";
import { parseDatabaseUrl } from "../../db/url.ts";
import { CommandError } from "../run.ts";
import type { Place } from "./make.ts";
import { DATABASE } from "./manifest.ts";

/** What this needs of the settings. */
export type PlaceSettings = {
  readonly dataDir: string;
  readonly databaseUrl: string;
  readonly s3: { readonly bucket: string; readonly endpoint?: string } | null;
  readonly backups: { readonly dailyKept: number };
};

const BEFORE_MIGRATION_KEPT = 3;

/** What is to be backed up; null for a database that is no file. */
export function placeOf({ dataDir, databaseUrl, s3, backups }: PlaceSettings): Place | null {
  const location = parseDatabaseUrl(databaseUrl);
  if (location.kind === "remote" || location.path === ":memory:") return null;
  return {
    dataDir,
    database: location.path,
    s3: s3 === null ? null : { bucket: s3.bucket, endpoint: s3.endpoint ?? null },
    kept: { daily: backups.dailyKept, "before-migration": BEFORE_MIGRATION_KEPT },
  };
}

/** Throws a CommandError for a database that is no file. */
export function requirePlace(settings: PlaceSettings): Place {
  const place = placeOf(settings);
  if (place !== null) return place;
  throw new CommandError(
    "The database is on a server of its own (DATABASE_URL): back it up and restore it with what that server has for it. Guildhall " +
      "does so with a database that is a file.",
  );
}

/** Restoring exchanges what is in one folder, so the database has to be there. Throws a CommandError when it is not. */
export function requireWithin(settings: PlaceSettings): void {
  const wanted = join(settings.dataDir, DATABASE);
  if (requirePlace(settings).database === wanted) return;
  throw new CommandError(
    `A restore puts the database at ${wanted}, and DATABASE_URL names another place. Restore without DATABASE_URL, ` +
      "then move the database there.",
  );
}
