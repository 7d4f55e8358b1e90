import { and, desc, eq, inArray, lte, type SQL, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/sqlite-core";
import { prepared } from "../../db/prepare.ts";
import { accounts, reportTasks, TASK_STATUSES } from "../../db/schema.ts";
import { type Account, getActive, getActiveIdByUsername } from "./accounts.ts";
import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import { isUuid, newId } from "./ids.ts";
import type { Page, Paged } from "./paging.ts";
import * as permissions from "./permissions.ts";

export { TASK_STATUSES };
export type Task = typeof reportTasks.$inferSelect;

export const documentKey = (taskId: string): string => `stats-${taskId}.pdf`;

const insertTask = prepared((db) =>
  db
    .insert(reportTasks)
    .values({
      id: sql.placeholder("id"),
      kind: "stats",
      subjectId: sql.placeholder("subjectId"),
      requestedBy: sql.placeholder("requestedBy"),
      status: "PENDING",
      dueAt: sql.placeholder("now"),
      createdAt: sql.placeholder("now"),
      requestId: sql.placeholder("requestId"),
    })
    .prepare(),
);

/**
 * Asks for a document about a user; answers the task's id once it is stored. The request's id goes with the task into
 * the worker's log. Throws `accountNotFound`.
 */
export async function create(
  core: Core,
  actor: Account,
  username: string,
  requestId: string,
): Promise<string> {
  const subjectId = await getActiveIdByUsername(core, username);
  const id = newId();
  await insertTask(core.db).run({ id, subjectId, requestedBy: actor.id, now: core.clock(), requestId });
  core.queue.nudge();
  return id;
}

/** Asks for a player's own document. Asking again while one waits joins it. Throws `accountNotFound`. */
export async function requestPlayerDocument(
  core: Core,
  actor: Account,
  accountId: number,
  requestId: string,
): Promise<void> {
  await getActive(core, accountId);
  const now = core.clock();
  await core.db.run(sql`
    INSERT INTO report_tasks (id, kind, subject_id, requested_by, status, due_at, created_at, request_id)
    SELECT ${newId()}, 'player', ${accountId}, ${actor.id}, 'PENDING', ${now}, ${now}, ${requestId}
    WHERE NOT EXISTS (SELECT 1 FROM report_tasks
                      WHERE subject_id = ${accountId} AND kind = 'player' AND status = 'PENDING')`);
  core.queue.nudge();
}

const byId = prepared((db) =>
  db
    .select()
    .from(reportTasks)
    .where(eq(reportTasks.id, sql.placeholder("id")))
    .prepare(),
);

/** For who asked, the subject, and who may manage tasks; `taskNotFound` to everybody else. */
export async function get(core: Core, actor: Account, id: string): Promise<Task> {
  const task = isUuid(id) ? await byId(core.db).get({ id: id.toLowerCase() }) : undefined;
  const visible =
    task !== undefined &&
    (task.requestedBy === actor.id ||
      task.subjectId === actor.id ||
      (await permissions.isAllowed(core, actor, "tasks.manage")));
  if (!visible) throw new DomainError("taskNotFound", "There is no such task.");
  return task;
}

export type PlayerDocument =
  | { readonly state: "ready"; readonly bytes: Uint8Array; readonly taskId: string }
  | { readonly state: "waiting" };

/** The newest finished document of a player. Throws `documentNotFound` when none was made or is being made. */
export async function playerDocument(core: Core, accountId: number): Promise<PlayerDocument> {
  await getActive(core, accountId);
  const [best] = await core.db
    .select({ id: reportTasks.id, status: reportTasks.status })
    .from(reportTasks)
    .where(and(eq(reportTasks.subjectId, accountId), eq(reportTasks.kind, "player")))
    .orderBy(sql`CASE status WHEN 'DONE' THEN 0 WHEN 'FAILED' THEN 2 ELSE 1 END`, sql`${reportTasks.id} DESC`)
    .limit(1);
  if (best === undefined) throw noDocument("No document was asked for.");
  if (best.status === "FAILED") throw noDocument("The document could not be made; ask for it again.");
  if (best.status !== "DONE") return { state: "waiting" };
  const bytes = await core.documents.get(documentKey(best.id));
  if (bytes === null) throw noDocument("The document is no longer stored; ask for it again.");
  return { state: "ready", bytes, taskId: best.id };
}

const noDocument = (message: string) => new DomainError("documentNotFound", message);

export type ListedTask = { readonly task: Task; readonly subject: string; readonly requestedBy: string };

/** Newest first, with the usernames. For who has `tasks.manage`; throws `forbidden`. */
export async function list(
  core: Core,
  actor: Account,
  status: Task["status"] | undefined,
  page: Page,
): Promise<Paged<ListedTask>> {
  await permissions.require(core, actor, "tasks.manage");
  const wanted = status === undefined ? undefined : eq(reportTasks.status, status);
  const rows = await named(core)
    .where(wanted)
    .orderBy(desc(reportTasks.id))
    .limit(page.limit)
    .offset(page.offset);
  return { rows, total: await core.db.$count(reportTasks, wanted) };
}

/** Lets a failed task be tried anew. For who has `tasks.manage`. Throws `forbidden`, `taskNotFound`, `taskNotFailed`. */
export async function retry(core: Core, actor: Account, id: string, address: string): Promise<ListedTask> {
  await permissions.require(core, actor, "tasks.manage");
  const now = core.clock();
  const [retried] = await core.db.batch([
    core.db
      .update(reportTasks)
      .set({ status: "PENDING", attempts: 0, error: null, dueAt: now, finishedAt: null })
      .where(and(eq(reportTasks.id, id), eq(reportTasks.status, "FAILED")))
      .returning({ id: reportTasks.id }),
    core.db.run(sql`INSERT INTO audit_entries (at, actor_id, action, target, address)
      SELECT ${now}, ${actor.id}, 'task.retried', ${`task:${id}`}, ${address} WHERE changes() > 0`),
  ]);
  const [task] = await named(core).where(eq(reportTasks.id, id));
  if (task === undefined) throw new DomainError("taskNotFound", "There is no such task.");
  if (retried.length === 0) throw new DomainError("taskNotFailed", "Only a failed task can be tried again.");
  core.queue.nudge();
  return task;
}

function named(core: Core) {
  const subject = alias(accounts, "subject");
  const requester = alias(accounts, "requester");
  return core.db
    .select({ task: reportTasks, subject: subject.username, requestedBy: requester.username })
    .from(reportTasks)
    .innerJoin(subject, eq(subject.id, reportTasks.subjectId))
    .innerJoin(requester, eq(requester.id, reportTasks.requestedBy))
    .$dynamic();
}

// ---- The worker's side ----

export const MAX_ATTEMPTS = 5;
export const LEASE_MS = 60_000;
const OPEN = ["PENDING", "PROCESSING"] as const;

const claimDue = prepared((db) =>
  db
    .update(reportTasks)
    .set({
      status: "PROCESSING",
      leaseOwner: sql`${sql.placeholder("owner")}`,
      dueAt: sql`${sql.placeholder("leaseEnd")}`,
      attempts: sql`attempts + 1`,
      claims: sql`claims + 1`,
    })
    .where(
      sql`id = (SELECT id FROM report_tasks WHERE status IN ('PENDING', 'PROCESSING')
                AND due_at <= ${sql.placeholder("now")} AND attempts < ${sql.raw(String(MAX_ATTEMPTS))}
                ORDER BY due_at LIMIT 1)`,
    )
    .returning()
    .prepare(),
);

/** Takes the task that has been due the longest, if any: the lease is the owner's until LEASE_MS from now. */
export async function claim(core: Core, owner: string): Promise<Task | null> {
  const now = core.clock();
  const [task] = await claimDue(core.db).all({ owner, now, leaseEnd: now + LEASE_MS });
  return task ?? null;
}

// By the claim too: an owner whose lease ran out may have claimed the same task anew.
const held = ({ id, claims }: Task, owner: string): SQL | undefined =>
  and(
    eq(reportTasks.id, id),
    eq(reportTasks.leaseOwner, owner),
    eq(reportTasks.claims, claims),
    eq(reportTasks.status, "PROCESSING"),
  );

/** False when the lease was lost meanwhile. */
export async function renew(core: Core, task: Task, owner: string): Promise<boolean> {
  const kept = await core.db
    .update(reportTasks)
    .set({ dueAt: core.clock() + LEASE_MS })
    .where(held(task, owner))
    .returning({ id: reportTasks.id });
  return kept.length > 0;
}

/** Keeps the figures as first read and answers those; null when the lease was lost. */
export async function keepReport(
  core: Core,
  task: Task,
  owner: string,
  report: string,
): Promise<string | null> {
  const [kept] = await core.db
    .update(reportTasks)
    .set({ report: sql`coalesce(${reportTasks.report}, ${report})` })
    .where(held(task, owner))
    .returning({ report: reportTasks.report });
  return kept?.report ?? null;
}

/** The document is stored. False when the lease was lost: whoever has it now stores the same bytes again. */
export async function complete(
  core: Core,
  task: Task,
  owner: string,
  document: { readonly bytes: number; readonly sha256: string },
): Promise<boolean> {
  const done = await core.db
    .update(reportTasks)
    .set({
      status: "DONE",
      leaseOwner: null,
      error: null,
      documentBytes: document.bytes,
      documentSha256: document.sha256,
      finishedAt: core.clock(),
    })
    .where(held(task, owner))
    .returning({ id: reportTasks.id });
  return done.length > 0;
}

/** A failed try: due again after `retryAfterMs`, or FAILED for good after the last one. */
export async function fail(
  core: Core,
  task: Task,
  owner: string,
  reason: string,
  retryAfterMs: number,
): Promise<void> {
  const now = core.clock();
  const last = task.attempts >= MAX_ATTEMPTS;
  await core.db
    .update(reportTasks)
    .set({
      status: last ? "FAILED" : "PENDING",
      leaseOwner: null,
      error: reason,
      dueAt: now + retryAfterMs,
      finishedAt: last ? now : null,
    })
    .where(held(task, owner));
}

/** A try that was cut off by a stop of ours: due at once, and not counted. */
export async function release(core: Core, task: Task, owner: string): Promise<void> {
  await core.db
    .update(reportTasks)
    .set({
      status: "PENDING",
      leaseOwner: null,
      dueAt: core.clock(),
      attempts: sql`max(${reportTasks.attempts} - 1, 0)`,
    })
    .where(held(task, owner));
}

/**
 * Frees what a dead predecessor of the same name still held. The try counts, since it may be what killed it;
 * a task that used up its tries fails here.
 */
export async function releaseLeftBy(core: Core, owner: string): Promise<number> {
  const freed = await core.db
    .update(reportTasks)
    .set({ status: "PENDING", leaseOwner: null, dueAt: core.clock() })
    .where(and(eq(reportTasks.leaseOwner, owner), eq(reportTasks.status, "PROCESSING")))
    .returning({ id: reportTasks.id });
  return freed.length;
}

/** Fails what is due but has no try left: its workers died with it. Answers the ids. */
export async function failExhausted(core: Core): Promise<string[]> {
  const now = core.clock();
  const failed = await core.db
    .update(reportTasks)
    .set({
      status: "FAILED",
      leaseOwner: null,
      error: sql`coalesce(${reportTasks.error}, ${`The worker stopped during each of ${MAX_ATTEMPTS} attempts.`})`,
      finishedAt: now,
    })
    .where(
      and(
        inArray(reportTasks.status, [...OPEN]),
        lte(reportTasks.dueAt, now),
        sql`${reportTasks.attempts} >= ${MAX_ATTEMPTS}`,
      ),
    )
    .returning({ id: reportTasks.id });
  return failed.map((task) => task.id);
}

const earliest = prepared((db) =>
  db
    .select({ dueAt: sql<number | null>`min(${reportTasks.dueAt})` })
    .from(reportTasks)
    .where(inArray(reportTasks.status, [...OPEN]))
    .prepare(),
);

/** When the next task becomes due (milliseconds since 1970), null when none is open. */
export async function nextDueAt(core: Core): Promise<number | null> {
  return (await earliest(core.db).get())?.dueAt ?? null;
}
