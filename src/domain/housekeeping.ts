import { type SQL, sql } from "drizzle-orm";
import type { Core } from "./core.ts";

const HOUR_MS = 60 * 60_000;
const FIRST_AFTER_MS = 60_000;
const ENDED_SESSIONS_KEPT_MS = 72 * HOUR_MS;
const EXPIRED_SECRETS_KEPT_MS = 24 * HOUR_MS;
// By then every node has read that the room is gone, and has closed the sockets in it.
const DELETED_ROOMS_KEPT_MS = 10 * 60_000;
const GUESTS_KEPT_MS = 24 * HOUR_MS;
const MAX_DELETED_AT_ONCE = 500;
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
  /** What rooms knew of guests, who do not come back under the same number. */
  readonly guests: number;
};

/** Deletes what nothing asks for any more, in small batches; an aborted sweep ends after the batch that runs. */
export async function sweep(core: Core, signal?: AbortSignal): Promise<Swept> {
  const now = core.clock();
  const endedBefore = now - ENDED_SESSIONS_KEPT_MS;
  const expiredBefore = now - EXPIRED_SECRETS_KEPT_MS;
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
        WHERE expires_at < ${expiredBefore} LIMIT ${MAX_DELETED_AT_ONCE}) RETURNING 1`,
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
  };
}

async function deleteAll(core: Core, oneBatch: SQL, signal: AbortSignal | undefined): Promise<number> {
  let total = 0;
  while (signal?.aborted !== true) {
    const deleted = (await core.db.all(oneBatch)).length;
    total += deleted;
    if (deleted < MAX_DELETED_AT_ONCE) break;
    await core.sleep(PAUSE_MS);
  }
  return total;
}

export interface Housekeeping {
  /** Sweeps a minute from now (sooner with a shorter period), then again and again until `stop`. */
  start(): void;
  /** Begins no more batches and waits for the one that runs. Never throws. */
  stop(): Promise<void>;
}

/** Any number of nodes may sweep one database. */
export function createHousekeeping(core: Core, everyMs = HOUR_MS): Housekeeping {
  const ending = new AbortController();
  let timer: Timer | undefined;
  let running: Promise<void> | null = null;

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
      if (timer === undefined) sweepAfter(Math.min(FIRST_AFTER_MS, everyMs));
    },
    async stop() {
      ending.abort();
      clearTimeout(timer);
      await running;
    },
  };
}
