import { sql } from "drizzle-orm";
import { check, index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

// Every time is integer milliseconds since 1970 (UTC). Every UUID is version 7: random ones spread over the
// indexes and cut durable inserts to a sixth at 1.5 million rows.

/** What made an account; the public look-ups show e-mail and birthday by it. */
export const ORIGINS = ["accounts", "stats", "players", "cabinet", "chat", "shell"] as const;

export const accounts = sqliteTable(
  "accounts",
  {
    /** The public number in the players, cabinet and chat APIs. */
    id: integer("id").primaryKey({ autoIncrement: true }),
    /** The public name in the accounts and stats APIs, and `sub` of every token. */
    uuid: text("uuid").notNull().unique("accounts_uuid_unique"),
    username: text("username").notNull(),
    /** The username after NFKC and lower-casing: what is unique. */
    usernameKey: text("username_key").notNull().unique("accounts_username_unique"),
    email: text("email").notNull(),
    /** The e-mail address in lower case. */
    emailKey: text("email_key").notNull(),
    /** argon2id in PHC form; null for accounts of the stats API, which live by their refresh token. */
    passwordHash: text("password_hash"),
    /** Whether the password met the accounts API's rule; roles are given only to such accounts. */
    passwordStrong: integer("password_strong", { mode: "boolean" }).notNull().default(false),
    origin: text("origin", { enum: ORIGINS }).notNull(),
    emailVisible: integer("email_visible", { mode: "boolean" }).notNull().default(false),
    fullName: text("full_name"),
    firstName: text("first_name"),
    lastName: text("last_name"),
    patronymic: text("patronymic"),
    /** `sex` in the stats API, `gender` in the players API. */
    sex: text("sex"),
    /** `avatar`, `avatar_url` and `profile_pic` of the APIs. */
    avatarUrl: text("avatar_url"),
    /** YYYY-MM-DD. */
    birthday: text("birthday"),
    description: text("description").notNull().default(""),
    backgroundColor: text("background_color").notNull().default("#005CC9"),
    location: text("location"),
    phoneNumber: text("phone_number"),
    timezone: text("timezone"),
    language: text("language"),
    company: text("company"),
    emailVerifiedAt: integer("email_verified_at"),
    lastLoginAt: integer("last_login_at"),
    loginCount: integer("login_count").notNull().default(0),
    deactivatedAt: integer("deactivated_at"),
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
  },
  (table) => [
    // Accounts without a password may share a contact address, as the stats API's document shows.
    uniqueIndex("accounts_email_unique").on(table.emailKey).where(sql`password_hash IS NOT NULL`),
  ],
);

export const sessions = sqliteTable(
  "sessions",
  {
    id: text("id").primaryKey(),
    accountId: integer("account_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    /** The API that made it. */
    origin: text("origin", { enum: ORIGINS }).notNull(),
    address: text("address").notNull(),
    userAgent: text("user_agent"),
    browser: text("browser"),
    createdAt: integer("created_at").notNull(),
    lastUsedAt: integer("last_used_at").notNull(),
    expiresAt: integer("expires_at").notNull(),
    revokedAt: integer("revoked_at"),
  },
  (table) => [index("sessions_account").on(table.accountId)],
);

export const roles = sqliteTable("roles", {
  id: integer("id").primaryKey({ autoIncrement: true }),
  name: text("name").notNull().unique("roles_name_unique"),
  /** JSON array of permission names; "*" is every permission. */
  permissions: text("permissions", { mode: "json" }).$type<readonly string[]>().notNull(),
});

export const accountRoles = sqliteTable(
  "account_roles",
  {
    accountId: integer("account_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    roleId: integer("role_id")
      .notNull()
      .references(() => roles.id, { onDelete: "cascade" }),
  },
  (table) => [
    primaryKey({ columns: [table.accountId, table.roleId] }),
    index("account_roles_role").on(table.roleId),
  ],
);

/** Running totals of a player. Absent until first written: all zero. */
export const playerCounters = sqliteTable(
  "player_counters",
  {
    accountId: integer("account_id")
      .primaryKey()
      .references(() => accounts.id, { onDelete: "cascade" }),
    victoryCount: integer("victory_count").notNull().default(0),
    lossCount: integer("loss_count").notNull().default(0),
    sessionCount: integer("session_count").notNull().default(0),
    totalTimeSeconds: integer("total_time_seconds").notNull().default(0),
  },
  (table) => [index("player_counters_leaderboard").on(table.victoryCount, table.accountId)],
);

export const GAME_RESULTS = ["win", "loss", "draw"] as const;

export const games = sqliteTable(
  "games",
  {
    id: integer("id").primaryKey({ autoIncrement: true }),
    accountId: integer("account_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    role: text("role").notNull(),
    result: text("result", { enum: GAME_RESULTS }).notNull(),
    durationSeconds: integer("duration_seconds").notNull(),
    playedAt: integer("played_at").notNull(),
  },
  (table) => [index("games_account").on(table.accountId, table.id)],
);

export const TASK_STATUSES = ["PENDING", "PROCESSING", "DONE", "FAILED"] as const;
/** Which API asked: a task of the stats API, or a player's own document in the players API. */
export const TASK_KINDS = ["stats", "player"] as const;

/** A wanted statistics document. The row is the truth, the outbox, the lease and the attempt counter. */
export const reportTasks = sqliteTable(
  "report_tasks",
  {
    id: text("id").primaryKey(),
    kind: text("kind", { enum: TASK_KINDS }).notNull(),
    subjectId: integer("subject_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    requestedBy: integer("requested_by")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    status: text("status", { enum: TASK_STATUSES }).notNull(),
    /** When a worker may take it: PENDING, the earliest start; PROCESSING, the end of its lease. */
    dueAt: integer("due_at").notNull(),
    leaseOwner: text("lease_owner"),
    attempts: integer("attempts").notNull().default(0),
    /** The figures as first read (JSON), so that every rendering gives the same bytes. */
    report: text("report"),
    error: text("error"),
    documentBytes: integer("document_bytes"),
    documentSha256: text("document_sha256"),
    createdAt: integer("created_at").notNull(),
    finishedAt: integer("finished_at"),
  },
  (table) => [
    index("report_tasks_due").on(table.dueAt).where(sql`status IN ('PENDING', 'PROCESSING')`),
    index("report_tasks_subject").on(table.subjectId, table.kind, table.id),
    check("report_tasks_lease", sql`(status = 'PROCESSING') = (lease_owner IS NOT NULL)`),
  ],
);
