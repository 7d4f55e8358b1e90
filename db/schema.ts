import { sql } from "drizzle-orm";
import {
  check,
  index,
  integer,
  primaryKey,
  sqliteTable,
  sqliteView,
  text,
  uniqueIndex,
} from "drizzle-orm/sqlite-core";

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
    /** The address that resets are mailed to while a changed one waits to be confirmed; null: `email` itself. */
    confirmedEmail: text("confirmed_email"),
    /** The object of an uploaded avatar in the document store; null: a drawn one. */
    avatarKey: text("avatar_key"),
    lastLoginAt: integer("last_login_at"),
    loginCount: integer("login_count").notNull().default(0),
    deactivatedAt: integer("deactivated_at"),
    /** Erased for good: it names nobody any more, and cannot be activated. */
    erasedAt: integer("erased_at"),
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
  },
  (table) => [
    // Accounts without a password may share a contact address, as the stats API's document shows.
    uniqueIndex("accounts_email_unique").on(table.emailKey).where(sql`password_hash IS NOT NULL`),
    index("accounts_confirmed_email")
      .on(sql`confirmed_email COLLATE NOCASE`)
      .where(sql`confirmed_email IS NOT NULL`),
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
    /** Of rotating refresh tokens: the `jti` of the one that is good now. */
    refreshJti: text("refresh_jti"),
    /** The one that it replaced, and when. */
    refreshParentJti: text("refresh_parent_jti"),
    refreshedAt: integer("refreshed_at"),
  },
  (table) => [
    index("sessions_account").on(table.accountId),
    // What every node looks through for sessions that have just ended.
    index("sessions_revoked").on(table.revokedAt).where(sql`revoked_at IS NOT NULL`),
    index("sessions_expires").on(table.expiresAt),
  ],
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

/** Conditions of batches: its CHECK ends the batch whose condition does not hold. */
export const batchGuard = sqliteTable(
  "batch_guard",
  {
    id: integer("id").primaryKey(),
    had: integer("had").notNull(),
    has: integer("has").notNull(),
  },
  () => [check("batch_guard_holds", sql`has >= had`)],
);

/** Roles by the dozen: who is in the group has them all. */
export const groups = sqliteTable("groups", {
  id: integer("id").primaryKey({ autoIncrement: true }),
  name: text("name").notNull().unique("groups_name_unique"),
});

export const groupRoles = sqliteTable(
  "group_roles",
  {
    groupId: integer("group_id")
      .notNull()
      .references(() => groups.id, { onDelete: "cascade" }),
    roleId: integer("role_id")
      .notNull()
      .references(() => roles.id, { onDelete: "cascade" }),
  },
  (table) => [
    primaryKey({ columns: [table.groupId, table.roleId] }),
    index("group_roles_role").on(table.roleId),
  ],
);

export const accountGroups = sqliteTable(
  "account_groups",
  {
    accountId: integer("account_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    groupId: integer("group_id")
      .notNull()
      .references(() => groups.id, { onDelete: "cascade" }),
  },
  (table) => [
    primaryKey({ columns: [table.accountId, table.groupId] }),
    index("account_groups_group").on(table.groupId),
  ],
);

/** Roles held directly or through a group, each once. */
export const effectiveRoles = sqliteView("effective_roles", {
  accountId: integer("account_id").notNull(),
  roleId: integer("role_id").notNull(),
}).as(sql`SELECT account_id, role_id FROM account_roles
UNION SELECT account_groups.account_id, group_roles.role_id
FROM account_groups JOIN group_roles ON group_roles.group_id = account_groups.group_id`);

export const SECRET_PURPOSES = ["reset", "verify"] as const;

/** Secrets that were mailed; only their SHA-256 is stored. */
export const mailedSecrets = sqliteTable(
  "mailed_secrets",
  {
    /** SHA-256 in hex. */
    hash: text("hash").primaryKey(),
    purpose: text("purpose", { enum: SECRET_PURPOSES }).notNull(),
    accountId: integer("account_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    /** The address it was mailed to. */
    email: text("email").notNull(),
    createdAt: integer("created_at").notNull(),
    expiresAt: integer("expires_at").notNull(),
    usedAt: integer("used_at"),
  },
  (table) => [index("mailed_secrets_account").on(table.accountId, table.purpose, table.createdAt)],
);

/** Mails that wait to be sent. A row is deleted when its mail was taken by the server. */
export const mails = sqliteTable(
  "mails",
  {
    id: text("id").primaryKey(),
    /** Encrypted: until it is sent it holds what the mail links to. */
    sealed: text("sealed").notNull(),
    /** When it may be sent; while one node sends it, the end of its lease. */
    dueAt: integer("due_at").notNull(),
    attempts: integer("attempts").notNull().default(0),
    error: text("error"),
    createdAt: integer("created_at").notNull(),
    /** Whom it is to, where that is an account. */
    accountId: integer("account_id").references(() => accounts.id),
  },
  (table) => [
    index("mails_due").on(table.dueAt),
    index("mails_account").on(table.accountId).where(sql`account_id IS NOT NULL`),
  ],
);

/** What was done by whom to whom; rows are only ever added. */
export const auditEntries = sqliteTable(
  "audit_entries",
  {
    id: integer("id").primaryKey({ autoIncrement: true }),
    at: integer("at").notNull(),
    /** Null where nobody is signed in, or the shell acts. */
    actorId: integer("actor_id").references(() => accounts.id, { onDelete: "set null" }),
    /** Such as `sign-in.failed`, `role.granted`. */
    action: text("action").notNull(),
    /** Such as `account:<uuid>`, `role:3`. */
    target: text("target"),
    address: text("address"),
    details: text("details", { mode: "json" }).$type<Readonly<Record<string, unknown>>>(),
  },
  (table) => [
    index("audit_entries_actor").on(table.actorId, table.id),
    index("audit_entries_action").on(table.action, table.id),
    index("audit_entries_target").on(table.target, table.id).where(sql`target IS NOT NULL`),
  ],
);

export const invitations = sqliteTable(
  "invitations",
  {
    /** Secret: whoever knows it may register. */
    code: text("code").primaryKey(),
    createdBy: integer("created_by").references(() => accounts.id, { onDelete: "set null" }),
    roleId: integer("role_id").references(() => roles.id, { onDelete: "cascade" }),
    uses: integer("uses").notNull(),
    usesLeft: integer("uses_left").notNull(),
    expiresAt: integer("expires_at"),
    createdAt: integer("created_at").notNull(),
    lastUsedAt: integer("last_used_at"),
  },
  // What ends a registration whose invitation was used up meanwhile.
  () => [check("invitations_uses_left", sql`uses_left >= 0`)],
);

/** Counters of the limits that must hold across restarts and nodes. */
export const rateLimits = sqliteTable(
  "rate_limits",
  {
    key: text("key").primaryKey(),
    points: integer("points").notNull(),
    expiresAt: integer("expires_at").notNull(),
  },
  (table) => [index("rate_limits_expires").on(table.expiresAt)],
);

export const POST_STATUSES = ["draft", "published"] as const;

export const posts = sqliteTable(
  "posts",
  {
    /** What the full-text indexes go by, and the order of creation; the public name is `uuid`. */
    id: integer("id").primaryKey({ autoIncrement: true }),
    uuid: text("uuid").notNull().unique("posts_uuid_unique"),
    authorId: integer("author_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    title: text("title").notNull(),
    excerpt: text("excerpt").notNull(),
    /** False: the excerpt follows the content when that changes. */
    excerptGiven: integer("excerpt_given", { mode: "boolean" }).notNull(),
    status: text("status", { enum: POST_STATUSES }).notNull(),
    views: integer("views").notNull().default(0),
    /** Kept by triggers on `comments`. */
    commentsCount: integer("comments_count").notNull().default(0),
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
    /** The last column: lists need not read past it. */
    content: text("content").notNull(),
  },
  // Each goes on by `id`, which SQLite appends to every index.
  (table) => [
    index("posts_status").on(table.status),
    index("posts_updated").on(table.status, table.updatedAt),
    index("posts_title").on(table.status, sql`title COLLATE NOCASE`),
    index("posts_views").on(table.status, table.views),
    index("posts_author").on(table.authorId, table.status),
  ],
);

/** The author of the rows in `postTotals` that stand for all posts. */
export const EVERY_AUTHOR = 0;

/** How many posts there are, kept by triggers on `posts`: counting 98,000 takes 3 ms. */
export const postTotals = sqliteTable(
  "post_totals",
  {
    authorId: integer("author_id").notNull(),
    status: text("status", { enum: POST_STATUSES }).notNull(),
    total: integer("total").notNull(),
    /** Grows with everything that can change what a search finds among these posts. */
    revision: integer("revision").notNull(),
  },
  (table) => [primaryKey({ columns: [table.authorId, table.status] })],
);

export const comments = sqliteTable(
  "comments",
  {
    id: integer("id").primaryKey({ autoIncrement: true }),
    uuid: text("uuid").notNull().unique("comments_uuid_unique"),
    postId: integer("post_id")
      .notNull()
      .references(() => posts.id, { onDelete: "cascade" }),
    authorId: integer("author_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    content: text("content").notNull(),
    /** Kept by triggers on `comment_likes`. */
    likes: integer("likes").notNull().default(0),
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
  },
  (table) => [index("comments_post").on(table.postId, table.id), index("comments_author").on(table.authorId)],
);

export const commentLikes = sqliteTable(
  "comment_likes",
  {
    commentId: integer("comment_id")
      .notNull()
      .references(() => comments.id, { onDelete: "cascade" }),
    accountId: integer("account_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
  },
  (table) => [
    primaryKey({ columns: [table.commentId, table.accountId] }),
    index("comment_likes_account").on(table.accountId),
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
    /** How often it was claimed; only ever grows, so that a lease is told from every other of the same owner. */
    claims: integer("claims").notNull().default(0),
    /** The request that asked for it, for the worker's log. */
    requestId: text("request_id"),
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
    // For who manages them.
    index("report_tasks_status").on(table.status, table.id),
    index("report_tasks_subject").on(table.subjectId, table.kind, table.id),
    index("report_tasks_requester").on(table.requestedBy, table.id),
    check("report_tasks_lease", sql`(status = 'PROCESSING') = (lease_owner IS NOT NULL)`),
  ],
);

/**
 * Objects that are to go from the document store: written in the batch that lets go of them, so that none stays behind,
 * and before an object is stored that nothing refers to yet.
 */
export const doomedObjects = sqliteTable(
  "doomed_objects",
  {
    key: text("key").primaryKey(),
    /** When it is deleted, or tried again. */
    dueAt: integer("due_at").notNull(),
    /** Until then somebody who was cut off may still store it; it is deleted again after. */
    storedUntil: integer("stored_until").notNull(),
  },
  (table) => [index("doomed_objects_due").on(table.dueAt)],
);

/** Erased accounts of which something is left; how far the logs that have no index by person were walked. */
export const erasures = sqliteTable("erasures", {
  accountId: integer("account_id")
    .primaryKey()
    .references(() => accounts.id, { onDelete: "cascade" }),
  beganAt: integer("began_at").notNull(),
  messagesTo: integer("messages_to").notNull().default(0),
  auditTo: integer("audit_to").notNull().default(0),
});

/** How many tasks there are of each status, kept by triggers on `report_tasks`: counting a million takes 0.1 s. */
export const taskTotals = sqliteTable("task_totals", {
  status: text("status", { enum: TASK_STATUSES }).primaryKey(),
  total: integer("total").notNull(),
});

/** Tickets for opening sockets; only their SHA-256 is stored. A row is deleted when its ticket is used. */
export const socketTickets = sqliteTable(
  "socket_tickets",
  {
    hash: text("hash").primaryKey(),
    sessionId: text("session_id")
      .notNull()
      .references(() => sessions.id, { onDelete: "cascade" }),
    expiresAt: integer("expires_at").notNull(),
  },
  (table) => [
    index("socket_tickets_expires").on(table.expiresAt),
    index("socket_tickets_session").on(table.sessionId),
  ],
);

export const rooms = sqliteTable("rooms", {
  /** The order of making; never reused, so that a new room under an old name has none of its messages. */
  id: integer("id").primaryKey({ autoIncrement: true }),
  /** The public id as text: 1 and "1" are one room. Null: deleted, and its messages are being purged. */
  key: text("key").unique("rooms_key_unique"),
  /** Whether the public id came as a number, and is to be told as one. */
  isNumber: integer("is_number", { mode: "boolean" }).notNull(),
  name: text("name").notNull(),
  isPrivate: integer("is_private", { mode: "boolean" }).notNull().default(false),
  isReadOnly: integer("is_read_only", { mode: "boolean" }).notNull().default(false),
  slowModeSeconds: integer("slow_mode_seconds").notNull().default(0),
  createdAt: integer("created_at").notNull(),
});

export const ROOM_ROLES = ["owner", "moderator"] as const;

/** What a room knows of a person. Absent: nothing special. */
/** As of who has, or had, a role, an access, a mute or a ban. A query that says so uses the index of those. */
export const HAS_STANDING = sql`(role IS NOT NULL OR is_member = 1 OR muted_until IS NOT NULL OR banned_until IS NOT NULL)`;

export const roomPeople = sqliteTable(
  "room_people",
  {
    roomId: integer("room_id")
      .notNull()
      .references(() => rooms.id, { onDelete: "cascade" }),
    /** An account's number, or the negative one that a guest was given. */
    userId: integer("user_id").notNull(),
    role: text("role", { enum: ROOM_ROLES }),
    /** Let into a private room. */
    isMember: integer("is_member", { mode: "boolean" }).notNull().default(false),
    mutedUntil: integer("muted_until"),
    bannedUntil: integer("banned_until"),
    /** The newest message that was read. */
    readId: integer("read_id").notNull().default(0),
    /** Kept in slow mode only: when the last message was said. */
    saidAt: integer("said_at"),
  },
  (table) => [
    primaryKey({ columns: [table.roomId, table.userId] }),
    index("room_people_user").on(table.userId),
    // Who is something in a room, among many who have only read there.
    index("room_people_standing").on(table.roomId, table.userId).where(HAS_STANDING),
  ],
);

/** `removed` is a message whose content is gone. A deletion or an act of moderation is an entry of its own. */
export const MESSAGE_KINDS = ["message", "removed", "deletion", "moderation"] as const;

/** The log of all rooms, in the order of the commits; entries are only ever added, and the ids have no holes. */
export const messages = sqliteTable(
  "messages",
  {
    id: integer("id").primaryKey({ autoIncrement: true }),
    roomId: integer("room_id")
      .notNull()
      .references(() => rooms.id),
    kind: text("kind", { enum: MESSAGE_KINDS }).notNull(),
    /** Who said or did it: an account's number, or a guest's negative one. */
    userId: integer("user_id").notNull(),
    /** The name at that time. */
    username: text("username").notNull(),
    /** Of an act of moderation: what it was, as JSON. */
    content: text("content").notNull(),
    /** The client's own id for a message, so that it can be sent again. */
    key: text("key"),
    /** Of a deletion: the message that it removed. */
    removedId: integer("removed_id"),
    sentAt: integer("sent_at").notNull(),
  },
  (table) => [
    // No index by person: in rooms of two it would cost a third of all messages.
    index("messages_room").on(table.roomId, table.id),
    uniqueIndex("messages_key_unique").on(table.roomId, table.userId, table.key).where(sql`key IS NOT NULL`),
  ],
);

/** One row: a random name of this history. A restored backup gets a new one, so that nobody trusts old ids. */
export const chatEpoch = sqliteTable("chat_epoch", {
  id: integer("id").primaryKey(),
  epoch: text("epoch").notNull(),
});

/** The running servers of a community of several. One that is not seen any more has nobody connected. */
export const nodes = sqliteTable("nodes", {
  id: text("id").primaryKey(),
  seenAt: integer("seen_at").notNull(),
});

/** Who is connected to which room on which node; kept only where there can be several. */
export const presence = sqliteTable(
  "presence",
  {
    nodeId: text("node_id")
      .notNull()
      .references(() => nodes.id, { onDelete: "cascade" }),
    roomId: integer("room_id").notNull(),
    userId: integer("user_id").notNull(),
    username: text("username").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.nodeId, table.roomId, table.userId] }),
    index("presence_room").on(table.roomId),
  ],
);
