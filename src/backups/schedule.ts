import * as backups from "../domain/backups.ts";
import type { Core } from "../domain/core.ts";
import type { Place } from "./make.ts";
import { makeBackup } from "./maker.ts";
import { record } from "./record.ts";
import { names } from "./shelf.ts";

export type ScheduleOptions = {
  readonly core: Core;
  readonly place: Place;
  /** Minutes since midnight (UTC). */
  readonly atMinute: number;
  readonly lookEveryMs?: number;
};

export interface Schedule {
  /** Looks a minute from now whether a backup is due, then again and again until `stop`. */
  start(): void;
  /** Breaks off the one being made; nothing of it stays. Never throws. */
  stop(): Promise<void>;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const RETRY_AFTER_MS = HOUR_MS;

/**
 * One backup a day. It is due when there is none since the last time that it should have been made, so a time at
 * which nothing ran is made up for, and a clock that jumps does no harm.
 */
export function createSchedule({
  core,
  place,
  atMinute,
  lookEveryMs = MINUTE_MS,
}: ScheduleOptions): Schedule {
  const ending = new AbortController();
  let timer: Timer | undefined;
  let running: Promise<void> | null = null;
  let failedAt = Number.NEGATIVE_INFINITY;

  function lookLater(): void {
    if (ending.signal.aborted) return;
    timer = setTimeout(() => {
      running = look().finally(() => {
        running = null;
        lookLater();
      });
    }, lookEveryMs);
    timer.unref();
  }

  async function look(): Promise<void> {
    const at = core.clock();
    if (at - failedAt < RETRY_AFTER_MS && at >= failedAt) return;
    try {
      if (!(await isDue(at))) return;
      const made = await makeBackup(place, "daily", { at, signal: ending.signal });
      await note(() => record(core, made));
    } catch (error) {
      if (ending.signal.aborted) return;
      failedAt = at;
      core.log.error({ err: error }, "no backup could be made");
      const reason = error instanceof Error ? error.message : String(error);
      await note(() => backups.recordFailed(core, { made: "daily", reason }));
      core.nudgeMails();
    }
  }

  async function isDue(now: number): Promise<boolean> {
    // One of the future was made while the clock was wrong, and says nothing about today.
    const newest = (await names(place.dataDir)).findLast(({ kind, at }) => kind === "daily" && at <= now);
    return newest === undefined || newest.at < lastDue(now, atMinute);
  }

  async function note(record: () => Promise<unknown>): Promise<void> {
    try {
      await record();
    } catch (error) {
      core.log.error({ err: error }, "what became of a backup could not be recorded");
    }
  }

  return {
    start() {
      if (timer === undefined) lookLater();
    },
    async stop() {
      ending.abort();
      clearTimeout(timer);
      await running;
    },
  };
}

/** When it should last have been made. */
export function lastDue(now: number, atMinute: number): number {
  const today = Math.floor(now / DAY_MS) * DAY_MS + atMinute * MINUTE_MS;
  return today <= now ? today : today - DAY_MS;
}
