import { sql } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import { asDatabaseError } from "../../db/open.ts";
import type { Core } from "./core.ts";

const COUNT_AGAIN_MS = 60 * 60 * 1000;
const FLUSH_MS = 2_000;
// About 10 MB. Whoever is forgotten before the hour is over counts once more.
const MAX_READERS = 50_000;
const MAX_WAITING_POSTS = 10_000;

export interface PostViews {
  /** Counts a reader (an account or an address) of this post once an hour. */
  seen(postId: number, reader: string): void;
  /** The views of a post that its row may not have yet. */
  pending(postId: number): number;
  /** Stores what waits; later views are not counted. */
  close(): Promise<void>;
}

/** The views of one server, stored every few seconds; a crash loses those since. Each server has its own readers. */
export function createPostViews(core: Core, flushMs = FLUSH_MS): PostViews {
  const readers = new LRUCache<string, number>({ max: MAX_READERS });
  let waiting = new Map<number, number>();
  let storing = new Map<number, number>();
  let running: Promise<void> = Promise.resolve();
  let timer: Timer | undefined;
  let closed = false;

  function plan(): void {
    if (closed || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      running = running.then(flush);
    }, flushMs);
    timer.unref();
  }

  async function flush(): Promise<void> {
    if (waiting.size === 0) return;
    [storing, waiting] = [waiting, new Map()];
    try {
      const counts = JSON.stringify(Object.fromEntries(storing));
      await core.db.run(sql`UPDATE posts SET views = views + counted.value
        FROM json_each(${counts}) AS counted WHERE posts.id = CAST(counted.key AS INTEGER)`);
    } catch (error) {
      core.log.warn({ err: error, posts: storing.size }, "views were not stored");
      // What may have been stored is not stored again: a view too few is better than one too many.
      if (asDatabaseError(error)?.kind !== "unknownOutcome") giveBack(storing);
    } finally {
      storing = new Map();
      if (waiting.size > 0) plan();
    }
  }

  function giveBack(counts: ReadonlyMap<number, number>): void {
    for (const [postId, count] of counts) add(postId, count);
  }

  function add(postId: number, count: number): boolean {
    const known = waiting.get(postId);
    if (known === undefined && waiting.size >= MAX_WAITING_POSTS) return false;
    waiting.set(postId, (known ?? 0) + count);
    return true;
  }

  return {
    seen(postId, reader) {
      const key = `${postId} ${reader}`;
      const now = core.clock();
      const last = readers.get(key);
      if (closed || (last !== undefined && now - last < COUNT_AGAIN_MS)) return;
      if (!add(postId, 1)) return;
      readers.set(key, now);
      plan();
    },
    pending: (postId) => (waiting.get(postId) ?? 0) + (storing.get(postId) ?? 0),
    async close() {
      closed = true;
      clearTimeout(timer);
      running = running.then(flush);
      await running;
    },
  };
}
