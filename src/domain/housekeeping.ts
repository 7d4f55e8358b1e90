import { type SQL, sql } from "drizzle-orm";
import type { Core } from "./core.ts";
import * as doomedObjects from "./doomed-objects.ts";
import * as erasureRest from "./erasure-rest.ts";
import { documentsDoomed } from "./tasks.ts";

const HOUR_MS = 60 * 60_000;
// Somebody wants to see that it is gone.
const ERASURES_EVERY_MS = 5_000;
const FIRST_AFTER_MS = 60_000;
const ENDED_SESSIONS_KEPT_MS = 72 * HOUR_MS;
const USED_SECRETS_KEPT_MS = 24 * HOUR_MS;
const ENDED_INVITATIONS_KEPT_MS = 24 * HOUR_MS;
// By then every node has read that the room is gone, and has closed the sockets in it.
const DELETED_ROOMS_KEPT_MS = 10 * 60_000;
// Living ones forget them earlier; where there is one server now, nobody else does.
const DEAD_NODES_KEPT_MS = HOUR_MS;
const GUESTS_KEPT_MS = 24 * HOUR_MS;
const MAX_DELETED_AT_ONCE = 500;
// Each is a row with all of a report in it, and one of an object to be deleted: some 20 ms.
const MAX_DOCUMENTS_AT_ONCE = 100;
// Whoever waits to write comes in between.
const PAUSE_MS = 10;

/** How many rows were deleted. */
export type Swept = {
  readonly sessions: number;
  readonly mailedSecrets: number;
  readonly rateLimits: number;
  readonly socketTickets: number;
  /** Of deleted rooms, as are the rooms. */
  readonly messages: number;
  readonly rooms: number;
  /** Servers that have died, with who was connected to them. */
  readonly nodes: number;
  /** What rooms knew of guests, who do not come back under the same number. */
  readonly guests: number;
  readonly invitations: number;
  readonly auditEntries: number;
  readonly documents: number;
  /** Of the document store. */
  readonly objects: number;
};

/** Deletes what nothing asks for any more, in small batches; an aborted sweep ends after the batch that runs. */
export async function sweep(core: Core, signal?: AbortSignal): Promise<Swept> {
  const now = core.clock();
  const { keptMs } = core.settings;
  const endedBefore = now - ENDED_SESSIONS_KEPT_MS;
  const usedBefore = now - USED_SECRETS_KEPT_MS;
  const invitedBefore = now - ENDED_INVITATIONS_KEPT_MS;
  // The last thing in a deleted room is its deletion.
  const deletedAt = sql`(SELECT sent_at FROM messages WHERE room_id = rooms.id ORDER BY id DESC LIMIT 1)`;
  return {
    sessions: await deleteAll(
      core,
      sql`DELETE FROM sessions WHERE id IN (SELECT id FROM sessions
        WHERE revoked_at < ${endedBefore} OR expires_at < ${endedBefore} LIMIT ${MAX_DELETED_AT_ONCE}) RETURNING 1`,
      signal,
    ),
    mailedSecrets: await deleteAll(
      core,
      sql`DELETE FROM mailed_secrets WHERE hash IN (SELECT hash FROM mailed_secrets
        WHERE expires_at < ${usedBefore} OR used_at < ${usedBefore} LIMIT ${MAX_DELETED_AT_ONCE}) RETURNING 1`,
      signal,
    ),
    rateLimits: await deleteAll(
      core,
      sql`DELETE FROM rate_limits WHERE key IN (SELECT key FROM rate_limits
        WHERE expires_at <= ${now} LIMIT ${MAX_DELETED_AT_ONCE}) RETURNING 1`,
      signal,
    ),
    socketTickets: await deleteAll(
      core,
      sql`DELETE FROM socket_tickets WHERE hash IN (SELECT hash FROM socket_tickets
        WHERE expires_at <= ${now} LIMIT ${MAX_DELETED_AT_ONCE}) RETURNING 1`,
      signal,
    ),
    messages: await deleteAll(
      core,
      sql`DELETE FROM messages WHERE id IN (SELECT messages.id FROM rooms CROSS JOIN messages ON room_id = rooms.id
        WHERE rooms.key IS NULL AND ${deletedAt} < ${now - DELETED_ROOMS_KEPT_MS} LIMIT ${MAX_DELETED_AT_ONCE}) RETURNING 1`,
      signal,
    ),
    rooms: await deleteAll(
      core,
      sql`DELETE FROM rooms WHERE id IN (SELECT id FROM rooms WHERE key IS NULL
        AND NOT EXISTS (SELECT 1 FROM messages WHERE room_id = rooms.id) LIMIT ${MAX_DELETED_AT_ONCE}) RETURNING 1`,
      signal,
    ),
    guests: await deleteAll(
      core,
      sql`DELETE FROM room_people WHERE rowid IN (SELECT rowid FROM room_people WHERE user_id < 0
        AND max(coalesce(said_at, 0) + ${GUESTS_KEPT_MS}, coalesce(muted_until, 0), coalesce(banned_until, 0)) <= ${now}
        LIMIT ${MAX_DELETED_AT_ONCE}) RETURNING 1`,
      signal,
    ),
    nodes: await deleteAll(
      core,
      // By the database's clock, as they write it.
      sql`DELETE FROM nodes WHERE seen_at < unixepoch() * 1000 - ${DEAD_NODES_KEPT_MS} RETURNING 1`,
      signal,
    ),
    invitations: await deleteAll(
      core,
      sql`DELETE FROM invitations WHERE code IN (SELECT code FROM invitations WHERE expires_at < ${invitedBefore}
        OR (uses_left = 0 AND coalesce(last_used_at, created_at) < ${invitedBefore}) LIMIT ${MAX_DELETED_AT_ONCE})
        RETURNING 1`,
      signal,
    ),
    auditEntries: await deleteOld(keptMs.audit, (before) =>
      deleteAll(
        core,
        // They are in the order of time: the oldest ones tell whether there is anything to do.
        sql`DELETE FROM audit_entries WHERE id IN (SELECT id FROM
          (SELECT id, at FROM audit_entries ORDER BY id LIMIT ${MAX_DELETED_AT_ONCE}) WHERE at < ${before}) RETURNING 1`,
        signal,
      ),
    ),
    documents: await deleteOld(keptMs.documents, (before) => deleteDocuments(core, before, signal)),
    objects: await doomedObjects.deleteDoomed(core, signal),
  };

  async function deleteOld(kept: number | null, deleteBefore: (before: number) => Promise<number>) {
    return kept === null ? 0 : deleteBefore(now - kept);
  }
}

/** The rows go at once, so that no task is told as done whose document is gone; the objects after them. */
async function deleteDocuments(core: Core, before: number, signal: AbortSignal | undefined): Promise<number> {
  // As above. Tasks that are still open are nobody's document yet.
  const oldest = sql`SELECT id FROM (SELECT id, created_at FROM report_tasks WHERE status IN ('DONE', 'FAILED')
    ORDER BY id LIMIT ${MAX_DOCUMENTS_AT_ONCE}) WHERE created_at < ${before}`;
  return repeated(core, signal, MAX_DOCUMENTS_AT_ONCE, async () => {
    const [, deleted] = await core.db.batch([
      documentsDoomed(core, oldest),
      core.db.values(sql`DELETE FROM report_tasks WHERE id IN (${oldest}) RETURNING 1`),
    ]);
    return deleted.length;
  });
}

const deleteAll = (core: Core, oneBatch: SQL, signal: AbortSignal | undefined): Promise<number> =>
  repeated(core, signal, MAX_DELETED_AT_ONCE, async () => (await core.db.all(oneBatch)).length);

/** As long as whole batches are deleted. */
async function repeated(
  core: Core,
  signal: AbortSignal | undefined,
  most: number,
  deleteBatch: () => Promise<number>,
): Promise<number> {
  let total = 0;
  while (signal?.aborted !== true) {
    const deleted = await deleteBatch();
    total += deleted;
    if (deleted < most) break;
    await core.sleep(PAUSE_MS);
  }
  return total;
}

export interface Housekeeping {
  /**
   * Sweeps a minute from now (sooner with a shorter period), then again and again until `stop`; looks for erased
   * accounts more often.
   */
  start(): void;
  /** Begins no more batches and waits for the one that runs. Never throws. */
  stop(): Promise<void>;
}

/** Any number of nodes may sweep one database. */
export function createHousekeeping(
  core: Core,
  everyMs = HOUR_MS,
  erasuresEveryMs = ERASURES_EVERY_MS,
): Housekeeping {
  const ending = new AbortController();
  let timer: Timer | undefined;
  let running: Promise<void> | null = null;
  let erasing: Promise<void> | null = null;
  let erasures: Timer | undefined;

  function sweepAfter(ms: number): void {
    if (ending.signal.aborted) return;
    timer = setTimeout(() => {
      running = sweepOnce().finally(() => {
        running = null;
        sweepAfter(everyMs);
      });
    }, ms);
    timer.unref();
  }

  async function eraseOnce(): Promise<void> {
    try {
      await erasureRest.goOn(core, ending.signal);
    } catch (error) {
      core.log.warn({ err: error }, "what erased accounts left could not be erased");
    }
  }

  function eraseSoon(): void {
    erasing ??= eraseOnce().finally(() => {
      erasing = null;
    });
  }

  async function sweepOnce(): Promise<void> {
    try {
      const swept = await sweep(core, ending.signal);
      if (Object.values(swept).some((rows) => rows > 0)) core.log.info(swept, "old rows were deleted");
    } catch (error) {
      core.log.warn({ err: error }, "old rows could not be deleted");
    }
  }

  return {
    start() {
      if (timer !== undefined || ending.signal.aborted) return;
      sweepAfter(Math.min(FIRST_AFTER_MS, everyMs));
      erasures = setInterval(eraseSoon, erasuresEveryMs);
      erasures.unref();
    },
    async stop() {
      ending.abort();
      clearTimeout(timer);
      clearInterval(erasures);
      await Promise.all([running, erasing]);
    },
  };
}
