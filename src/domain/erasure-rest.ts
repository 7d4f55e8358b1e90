import { asc, type SQL, sql } from "drizzle-orm";
import { erasures } from "../../db/schema.ts";
import type { Core } from "./core.ts";
import * as doomedObjects from "./doomed-objects.ts";
import { erasedName } from "./erasure.ts";
import { newestId } from "./messages.ts";
import { documentsDoomed } from "./tasks.ts";

// By then every node has closed the sockets, and what was under way when the account was erased has been written.
const SETTLED_AFTER_MS = 2 * 60_000;
const MAX_ACCOUNTS_AT_ONCE = 100;
// Some 20 ms where each has a document, or likes.
const MAX_ROWS_AT_ONCE = 100;
// A long one costs 14 ms.
const MAX_POSTS_AT_ONCE = 2;
// Some 3 ms.
const PAGES_MERGED_AT_ONCE = 16;
// Each is told to everybody in its room, so that as many again have time to read.
const MAX_MESSAGES_AT_ONCE = 200;
const MESSAGES_LOOKED_THROUGH = 20_000;
const ENTRIES_LOOKED_THROUGH = 5_000;
// Whoever waits to write comes in between.
const PAUSE_MS = 10;
const MESSAGES_PAUSE_MS = 100;

type Erasure = typeof erasures.$inferSelect;

/**
 * Erases what is left of erased accounts, in small batches. Each can be done again, so it goes on after a kill, and
 * any number of nodes may do it at once; an aborted one ends after the batch that runs.
 */
export async function goOn(core: Core, signal?: AbortSignal): Promise<void> {
  const pending = await core.db
    .select()
    .from(erasures)
    .orderBy(asc(erasures.accountId))
    .limit(MAX_ACCOUNTS_AT_ONCE);
  for (const erasure of pending) await eraseRest(core, erasure, signal);
  if (pending.length > 0) await doomedObjects.deleteDoomed(core, signal);
}

async function eraseRest(core: Core, erasure: Erasure, signal: AbortSignal | undefined): Promise<void> {
  const { accountId: id, beganAt } = erasure;
  // Looked at before everything else: what comes after it is found.
  const isAborted = () => signal?.aborted === true;
  const isSettled = core.clock() >= beganAt + SETTLED_AFTER_MS;
  for (const [rows, condition] of ROWS) {
    await repeated(core, signal, MAX_ROWS_AT_ONCE, () => deleteRows(core, rows, condition(id)));
  }
  await repeated(core, signal, MAX_POSTS_AT_ONCE, () => deletePosts(core, id));
  await repeated(core, signal, MAX_ROWS_AT_ONCE, () => deleteDocuments(core, id));
  await eraseMessages(core, erasure, signal);
  await eraseFromAudit(core, erasure, signal);
  if (!isSettled || isAborted()) return;
  await repeated(core, signal, MAX_ROWS_AT_ONCE, () => deleteRows(core, "sessions", sql`account_id = ${id}`));
  for (const index of ["published_fts", "draft_fts"]) await forgetWords(core, index, signal);
  if (isAborted()) return;
  const [ended] = await core.db.batch([
    core.db.values(sql`DELETE FROM erasures WHERE account_id = ${id} RETURNING 1`),
    core.db.run(sql`DELETE FROM post_totals WHERE author_id = ${id}`),
    core.db.run(sql`DELETE FROM presence WHERE user_id = ${id}`),
  ]);
  if (ended.length > 0) core.log.info({ accountId: id }, "an account was erased with all that it left");
}

/** Tables and what in them is of an account. The comments under its posts come before the posts. */
const ROWS: readonly (readonly [table: string, condition: (id: number) => SQL])[] = [
  ["comments", (id) => sql`post_id IN (SELECT id FROM posts WHERE author_id = ${id})`],
  ["comments", (id) => sql`author_id = ${id}`],
  ["comment_likes", (id) => sql`account_id = ${id}`],
  ["games", (id) => sql`account_id = ${id}`],
  ["player_counters", (id) => sql`account_id = ${id}`],
  // A room whose owner it was has none from now on: power is nothing to be inherited unasked.
  ["room_people", (id) => sql`user_id = ${id}`],
  ["mailed_secrets", (id) => sql`account_id = ${id}`],
  ["mails", (id) => sql`account_id = ${id}`],
  ["invitations", (id) => sql`created_by = ${id}`],
];

async function deleteRows(core: Core, table: string, condition: SQL): Promise<number> {
  const rows = sql.raw(table);
  const deleted = await core.db.values(sql`DELETE FROM ${rows} WHERE rowid IN
    (SELECT rowid FROM ${rows} WHERE ${condition} LIMIT ${MAX_ROWS_AT_ONCE}) RETURNING 1`);
  return deleted.length;
}

async function deletePosts(core: Core, id: number): Promise<number> {
  const deleted = await core.db.values(sql`DELETE FROM posts WHERE id IN
    (SELECT id FROM posts WHERE author_id = ${id} LIMIT ${MAX_POSTS_AT_ONCE}) RETURNING 1`);
  return deleted.length;
}

/** A full-text index only notes that a row is gone; it forgets the words when all its parts are merged into one. */
async function forgetWords(core: Core, index: string, signal: AbortSignal | undefined): Promise<void> {
  const fts = sql.raw(index);
  // Below zero it begins a merge of all parts; the same number above goes on with it.
  for (let pages = -PAGES_MERGED_AT_ONCE; signal?.aborted !== true; pages = PAGES_MERGED_AT_ONCE) {
    const [before, , after] = await core.db.batch([
      core.db.values<[changes: number]>(sql`SELECT total_changes()`),
      core.db.run(sql`INSERT INTO ${fts} (${fts}, rank) VALUES ('merge', ${pages})`),
      core.db.values<[changes: number]>(sql`SELECT total_changes()`),
    ]);
    // The command itself counts as one.
    if ((after[0]?.[0] ?? 0) - (before[0]?.[0] ?? 0) < 2) return;
    await core.sleep(PAUSE_MS);
  }
}

/** A player's own document stays that player's, whoever asked for it. */
async function deleteDocuments(core: Core, id: number): Promise<number> {
  const some = sql`SELECT id FROM report_tasks WHERE subject_id = ${id}
    OR (requested_by = ${id} AND kind <> 'player') LIMIT ${MAX_ROWS_AT_ONCE}`;
  const [, , deleted] = await core.db.batch([
    core.db.run(sql`UPDATE report_tasks SET requested_by = subject_id, request_id = NULL WHERE id IN
      (SELECT id FROM report_tasks WHERE requested_by = ${id} AND subject_id <> ${id} AND kind = 'player'
      LIMIT ${MAX_ROWS_AT_ONCE})`),
    documentsDoomed(core, some),
    core.db.values(sql`DELETE FROM report_tasks WHERE id IN (${some}) RETURNING 1`),
  ]);
  return deleted.length;
}

/** As moderation.removeMessage does, and the name at every entry with them. The log has no index by person. */
async function eraseMessages(
  core: Core,
  { accountId: id, messagesTo }: Erasure,
  signal: AbortSignal | undefined,
): Promise<void> {
  const newest = await newestId(core);
  for (let from = messagesTo; from < newest && signal?.aborted !== true; ) {
    const to = Math.min(from + MESSAGES_LOOKED_THROUGH, newest);
    const found = await core.db.values<
      [id: number]
    >(sql`SELECT id FROM messages WHERE id > ${from} AND id <= ${to}
      AND (user_id = ${id} OR CASE kind WHEN 'moderation' THEN content ->> '$.id' = ${id} END)
      ORDER BY id LIMIT ${MAX_MESSAGES_AT_ONCE}`);
    const last = found.length < MAX_MESSAGES_AT_ONCE ? to : (found.at(-1)?.[0] ?? to);
    const some = sql`id IN (SELECT value FROM json_each(${JSON.stringify(found.flat())}))`;
    await core.db.batch([
      core.db.run(sql`INSERT INTO messages (room_id, kind, user_id, username, content, removed_id, sent_at)
        SELECT room_id, 'deletion', user_id, ${erasedName(id)}, '', id, ${core.clock()} FROM messages
        WHERE ${some} AND kind = 'message' AND room_id IN (SELECT id FROM rooms WHERE key IS NOT NULL) ORDER BY id`),
      core.db.run(sql`UPDATE messages SET
        username = CASE user_id WHEN ${id} THEN ${erasedName(id)} ELSE username END,
        content = CASE kind WHEN 'moderation' THEN json_remove(content, '$.reason') ELSE '' END,
        kind = CASE kind WHEN 'message' THEN 'removed' ELSE kind END,
        key = NULL WHERE ${some}`),
      core.db.run(sql`UPDATE erasures SET messages_to = max(messages_to, ${last}) WHERE account_id = ${id}`),
    ]);
    if (found.length > 0) core.bus.publish({ kind: "messages" }, "all");
    from = last;
    await core.sleep(found.length > 0 ? MESSAGES_PAUSE_MS : PAUSE_MS);
  }
}

/** The facts stay, under the account's number; where from, reasons and titles go. Others' addresses are theirs. */
async function eraseFromAudit(
  core: Core,
  { accountId: id, auditTo }: Erasure,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [newest] = await core.db.values<[id: number | null]>(sql`SELECT max(id) FROM audit_entries`);
  const end = newest?.[0] ?? 0;
  const uuid = sql`(SELECT uuid FROM accounts WHERE id = ${id})`;
  for (let from = auditTo; from < end && signal?.aborted !== true; ) {
    const to = Math.min(from + ENTRIES_LOOKED_THROUGH, end);
    await core.db.batch([
      core.db.run(sql`UPDATE audit_entries SET
        address = CASE WHEN actor_id IS NULL OR actor_id = ${id} THEN NULL ELSE address END,
        details = json_remove(details, '$.reason', '$.title')
        WHERE id > ${from} AND id <= ${to} AND (actor_id = ${id} OR target = 'account:' || ${uuid}
          OR details ->> '$.userId' = ${id} OR details ->> '$.author' = ${uuid})`),
      core.db.run(sql`UPDATE erasures SET audit_to = max(audit_to, ${to}) WHERE account_id = ${id}`),
    ]);
    from = to;
    await core.sleep(PAUSE_MS);
  }
}

/** As long as whole batches are found. */
async function repeated(
  core: Core,
  signal: AbortSignal | undefined,
  most: number,
  eraseBatch: () => Promise<number>,
): Promise<void> {
  while (signal?.aborted !== true && (await eraseBatch()) >= most) await core.sleep(PAUSE_MS);
}
