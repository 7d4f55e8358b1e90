import { and, asc, eq, gt, lte, or } from "drizzle-orm";
import type { AnySQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import {
  accountGroups,
  auditEntries,
  commentLikes,
  comments,
  games,
  groups,
  invitations,
  mailedSecrets,
  messages,
  posts,
  reportTasks,
  roomPeople,
  sessions,
} from "../../db/schema.ts";
import type { Account } from "./accounts.ts";
import type { Core } from "./core.ts";
import { newestId } from "./messages.ts";
import * as roles from "./roles.ts";
import * as statistics from "./statistics.ts";

const ROWS = 500;

/**
 * Everything that is stored about an account, by section, in pages of rows; a section that is no list comes as one
 * value. Without the hashes of the password and of mailed secrets and the names of refresh tokens, which are
 * secrets, not data.
 */
export async function* exportOf(core: Core, account: Account): AsyncGenerator<ExportPart> {
  yield { section: "account", value: account };
  yield { section: "roles", value: await roles.namesOf(core, account.id) };
  yield { section: "groups", value: await groupsOf(core, account) };
  yield { section: "counters", value: await statistics.read(core, account.id) };
  yield* messagesOf(core, account);
  for (const { section, table, key, owners, target } of TABLES) {
    let after: string | number | null = null;
    do {
      const mine = or(
        ...owners.map((owner) => eq(owner, account.id)),
        target === undefined ? undefined : eq(target, `account:${account.uuid}`),
      );
      const rows: Record<string, unknown>[] = await core.db
        .select()
        .from(table)
        .where(after === null ? mine : and(mine, gt(key, after)))
        .orderBy(asc(key))
        .limit(ROWS);
      yield { section, rows: rows.map((row) => ownPart(row, account)) };
      const last = rows.at(-1)?.[propertyOf(table, key)];
      after = rows.length === ROWS && (typeof last === "string" || typeof last === "number") ? last : null;
    } while (after !== null);
  }
}

// Some milliseconds each; others come in between.
const ENTRIES_LOOKED_THROUGH = 20_000;

/** The log has no index by person: it is looked through piece by piece. */
async function* messagesOf(core: Core, account: Account): AsyncGenerator<ExportPart> {
  const newest = await newestId(core);
  for (let from = 0; from === 0 || from < newest; from += ENTRIES_LOOKED_THROUGH) {
    const rows = await core.db
      .select()
      .from(messages)
      .where(
        and(
          gt(messages.id, from),
          lte(messages.id, from + ENTRIES_LOOKED_THROUGH),
          eq(messages.userId, account.id),
        ),
      )
      .orderBy(asc(messages.id));
    yield { section: "messages", rows };
    await core.sleep(0);
  }
}

export type ExportPart =
  | { readonly section: string; readonly value: unknown }
  | { readonly section: string; readonly rows: readonly unknown[] };

type Exported = {
  readonly section: string;
  readonly table: SQLiteTable;
  /** Unique among the rows of one account: what pages go by. */
  readonly key: AnySQLiteColumn;
  readonly owners: readonly AnySQLiteColumn[];
  /** Where the account may be named as `account:<uuid>`. */
  readonly target?: AnySQLiteColumn;
};

const TABLES: readonly Exported[] = [
  { section: "sessions", table: sessions, key: sessions.id, owners: [sessions.accountId] },
  { section: "games", table: games, key: games.id, owners: [games.accountId] },
  {
    section: "documents",
    table: reportTasks,
    key: reportTasks.id,
    owners: [reportTasks.subjectId, reportTasks.requestedBy],
  },
  { section: "posts", table: posts, key: posts.id, owners: [posts.authorId] },
  { section: "comments", table: comments, key: comments.id, owners: [comments.authorId] },
  { section: "likes", table: commentLikes, key: commentLikes.commentId, owners: [commentLikes.accountId] },
  { section: "rooms", table: roomPeople, key: roomPeople.roomId, owners: [roomPeople.userId] },
  { section: "invitations", table: invitations, key: invitations.code, owners: [invitations.createdBy] },
  {
    section: "mailedSecrets",
    table: mailedSecrets,
    key: mailedSecrets.hash,
    owners: [mailedSecrets.accountId],
  },
  {
    section: "audit",
    table: auditEntries,
    key: auditEntries.id,
    owners: [auditEntries.actorId],
    target: auditEntries.target,
  },
];

async function groupsOf(core: Core, account: Account): Promise<string[]> {
  const rows = await core.db
    .select({ name: groups.name })
    .from(accountGroups)
    .innerJoin(groups, eq(groups.id, accountGroups.groupId))
    .where(eq(accountGroups.accountId, account.id))
    .orderBy(asc(groups.id));
  return rows.map((row) => row.name);
}

const SECRET = new Set(["refreshJti", "refreshParentJti", "leaseOwner", "claims", "requestId", "hash"]);
// Of a document about somebody else the fact is one's own, the figures are not; nor who asked for one's own document.
const OF_THE_SUBJECT = new Set(["report"]);
const OF_THE_REQUESTER = new Set(["requestedBy"]);
// Nor who did something to one's account, and from where.
const OF_THE_ACTOR = new Set(["actorId", "address"]);

function ownPart(row: Record<string, unknown>, { id }: Account): Record<string, unknown> {
  const isForeign = (name: string) =>
    (OF_THE_SUBJECT.has(name) && row.subjectId !== id) ||
    (OF_THE_REQUESTER.has(name) && row[name] !== id) ||
    (OF_THE_ACTOR.has(name) && "actorId" in row && row.actorId !== id);
  return Object.fromEntries(Object.entries(row).filter(([name]) => !SECRET.has(name) && !isForeign(name)));
}

function propertyOf(table: SQLiteTable, column: AnySQLiteColumn): string {
  const found = Object.entries(table).find(([, candidate]) => candidate === column);
  if (found === undefined) throw new Error("the key is no column of its table");
  return found[0];
}
