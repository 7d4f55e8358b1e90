import { sql } from "drizzle-orm";
import type { Core, News } from "./core.ts";

/** Finds the sessions that end while sockets are open on them. */
export interface SessionWatch {
  start(): void;
  hear(news: News): void;
  stop(): void;
}

// On a local database it is looked only after a commit, ours or another process's.
const LOOK_EVERY_MS = { local: 250, remote: 2_000 } as const;
// A session's end is stamped before it is committed, and on another node's clock.
const OVERLAP_MS = 60_000;

/**
 * `ended` is given the ids of sessions that were revoked of late, none or some; the same one may come again. It is
 * called after every look, since what ends a right may be no session.
 */
export function createSessionWatch(
  core: Core,
  ended: (sessionIds: ReadonlySet<string>) => Promise<void>,
): SessionWatch {
  let lookedAt = core.clock();
  let seen = "";
  let timer: Timer | undefined;
  let isLooking = false;
  let isWanted = false;

  async function look(): Promise<void> {
    isWanted = true;
    if (isLooking) return;
    isLooking = true;
    try {
      while (isWanted) {
        isWanted = false;
        const now = core.clock();
        const rows = await core.db.values<[id: string]>(
          sql`SELECT id FROM sessions WHERE revoked_at >= ${lookedAt - OVERLAP_MS}`,
        );
        await ended(new Set(rows.map(([id]) => id)));
        lookedAt = now;
      }
    } catch (error) {
      // Everything since the last look that succeeded is found by the next one.
      core.log.warn({ err: error }, "ended sessions could not be looked up");
    } finally {
      isLooking = false;
    }
  }

  function lookIfWritten(): void {
    const version = core.db.dataVersion();
    const state = version === null ? "" : `${version}:${core.db.counters().commits}`;
    if (version !== null && state === seen) return;
    seen = state;
    void look();
  }

  return {
    start() {
      timer = setInterval(lookIfWritten, LOOK_EVERY_MS[core.db.kind]);
    },
    hear(news) {
      if (news.kind === "sessions" || news.kind === "missed") void look();
    },
    stop() {
      clearInterval(timer);
    },
  };
}
