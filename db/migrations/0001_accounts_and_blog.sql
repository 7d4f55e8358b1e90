CREATE TABLE `account_groups` (
	`account_id` integer NOT NULL,
	`group_id` integer NOT NULL,
	PRIMARY KEY(`account_id`, `group_id`),
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`group_id`) REFERENCES `groups`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `account_groups_group` ON `account_groups` (`group_id`);--> statement-breakpoint
CREATE TABLE `batch_guard` (
	`id` integer PRIMARY KEY NOT NULL,
	`had` integer NOT NULL,
	`has` integer NOT NULL,
	CONSTRAINT "batch_guard_holds" CHECK(has >= had)
);
--> statement-breakpoint
CREATE TABLE `audit_entries` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at` integer NOT NULL,
	`actor_id` integer,
	`action` text NOT NULL,
	`target` text,
	`address` text,
	`details` text,
	FOREIGN KEY (`actor_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE set null
);
--> statement-breakpoint
CREATE INDEX `audit_entries_actor` ON `audit_entries` (`actor_id`,`id`);--> statement-breakpoint
CREATE INDEX `audit_entries_action` ON `audit_entries` (`action`,`id`);--> statement-breakpoint
CREATE TABLE `comment_likes` (
	`comment_id` integer NOT NULL,
	`account_id` integer NOT NULL,
	PRIMARY KEY(`comment_id`, `account_id`),
	FOREIGN KEY (`comment_id`) REFERENCES `comments`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `comment_likes_account` ON `comment_likes` (`account_id`);--> statement-breakpoint
CREATE TABLE `comments` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`uuid` text NOT NULL,
	`post_id` integer NOT NULL,
	`author_id` integer NOT NULL,
	`content` text NOT NULL,
	`likes` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	FOREIGN KEY (`post_id`) REFERENCES `posts`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`author_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `comments_uuid_unique` ON `comments` (`uuid`);--> statement-breakpoint
CREATE INDEX `comments_post` ON `comments` (`post_id`,`id`);--> statement-breakpoint
CREATE INDEX `comments_author` ON `comments` (`author_id`);--> statement-breakpoint
CREATE TABLE `group_roles` (
	`group_id` integer NOT NULL,
	`role_id` integer NOT NULL,
	PRIMARY KEY(`group_id`, `role_id`),
	FOREIGN KEY (`group_id`) REFERENCES `groups`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`role_id`) REFERENCES `roles`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `group_roles_role` ON `group_roles` (`role_id`);--> statement-breakpoint
CREATE TABLE `groups` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`name` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `groups_name_unique` ON `groups` (`name`);--> statement-breakpoint
CREATE TABLE `invitations` (
	`code` text PRIMARY KEY NOT NULL,
	`created_by` integer,
	`role_id` integer,
	`uses` integer NOT NULL,
	`uses_left` integer NOT NULL,
	`expires_at` integer,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`created_by`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE set null,
	FOREIGN KEY (`role_id`) REFERENCES `roles`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT "invitations_uses_left" CHECK(uses_left >= 0)
);
--> statement-breakpoint
CREATE TABLE `mailed_secrets` (
	`hash` text PRIMARY KEY NOT NULL,
	`purpose` text NOT NULL,
	`account_id` integer NOT NULL,
	`email` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer,
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `mailed_secrets_account` ON `mailed_secrets` (`account_id`,`purpose`,`created_at`);--> statement-breakpoint
CREATE TABLE `mails` (
	`id` text PRIMARY KEY NOT NULL,
	`sealed` text NOT NULL,
	`due_at` integer NOT NULL,
	`attempts` integer DEFAULT 0 NOT NULL,
	`error` text,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `mails_due` ON `mails` (`due_at`);--> statement-breakpoint
CREATE TABLE `post_totals` (
	`author_id` integer NOT NULL,
	`status` text NOT NULL,
	`total` integer NOT NULL,
	`revision` integer NOT NULL,
	PRIMARY KEY(`author_id`, `status`)
);
--> statement-breakpoint
CREATE TABLE `posts` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`uuid` text NOT NULL,
	`author_id` integer NOT NULL,
	`title` text NOT NULL,
	`excerpt` text NOT NULL,
	`excerpt_given` integer NOT NULL,
	`status` text NOT NULL,
	`views` integer DEFAULT 0 NOT NULL,
	`comments_count` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`content` text NOT NULL,
	FOREIGN KEY (`author_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `posts_uuid_unique` ON `posts` (`uuid`);--> statement-breakpoint
CREATE INDEX `posts_status` ON `posts` (`status`);--> statement-breakpoint
CREATE INDEX `posts_updated` ON `posts` (`status`,`updated_at`);--> statement-breakpoint
CREATE INDEX `posts_title` ON `posts` (`status`,title COLLATE NOCASE);--> statement-breakpoint
CREATE INDEX `posts_views` ON `posts` (`status`,`views`);--> statement-breakpoint
CREATE INDEX `posts_author` ON `posts` (`author_id`,`status`);--> statement-breakpoint
CREATE TABLE `rate_limits` (
	`key` text PRIMARY KEY NOT NULL,
	`points` integer NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `rate_limits_expires` ON `rate_limits` (`expires_at`);--> statement-breakpoint
ALTER TABLE `accounts` ADD `confirmed_email` text;--> statement-breakpoint
ALTER TABLE `accounts` ADD `avatar_key` text;--> statement-breakpoint
CREATE INDEX `accounts_confirmed_email` ON `accounts` (confirmed_email COLLATE NOCASE) WHERE confirmed_email IS NOT NULL;--> statement-breakpoint
ALTER TABLE `sessions` ADD `refresh_jti` text;--> statement-breakpoint
ALTER TABLE `sessions` ADD `refresh_parent_jti` text;--> statement-breakpoint
ALTER TABLE `sessions` ADD `refreshed_at` integer;--> statement-breakpoint
CREATE VIEW `effective_roles` AS SELECT account_id, role_id FROM account_roles
UNION SELECT account_groups.account_id, group_roles.role_id
FROM account_groups JOIN group_roles ON group_roles.group_id = account_groups.group_id;--> statement-breakpoint
CREATE VIEW published_posts AS SELECT id, title, content, char(57344) || author_id AS author FROM posts WHERE status = 'published';--> statement-breakpoint
CREATE VIEW draft_posts AS SELECT id, title, content, char(57344) || author_id AS author FROM posts WHERE status = 'draft';--> statement-breakpoint
CREATE VIRTUAL TABLE published_fts USING fts5(title, content, author, content='published_posts', content_rowid='id', tokenize='unicode61 remove_diacritics 2');--> statement-breakpoint
CREATE VIRTUAL TABLE draft_fts USING fts5(title, content, author, content='draft_posts', content_rowid='id', tokenize='unicode61 remove_diacritics 2');--> statement-breakpoint
CREATE TRIGGER posts_insert AFTER INSERT ON posts BEGIN
  INSERT INTO published_fts(rowid, title, content, author) SELECT new.id, new.title, new.content, char(57344) || new.author_id WHERE new.status = 'published';
  INSERT INTO draft_fts(rowid, title, content, author) SELECT new.id, new.title, new.content, char(57344) || new.author_id WHERE new.status = 'draft';
  INSERT INTO post_totals(author_id, status, total, revision) VALUES (0, new.status, 1, 1), (new.author_id, new.status, 1, 1)
    ON CONFLICT (author_id, status) DO UPDATE SET total = total + 1, revision = revision + 1;
END;--> statement-breakpoint
CREATE TRIGGER posts_delete AFTER DELETE ON posts BEGIN
  INSERT INTO published_fts(published_fts, rowid, title, content, author) SELECT 'delete', old.id, old.title, old.content, char(57344) || old.author_id WHERE old.status = 'published';
  INSERT INTO draft_fts(draft_fts, rowid, title, content, author) SELECT 'delete', old.id, old.title, old.content, char(57344) || old.author_id WHERE old.status = 'draft';
  UPDATE post_totals SET total = total - 1, revision = revision + 1 WHERE author_id IN (0, old.author_id) AND status = old.status;
END;--> statement-breakpoint
CREATE TRIGGER posts_update AFTER UPDATE OF title, content, status, author_id ON posts BEGIN
  INSERT INTO published_fts(published_fts, rowid, title, content, author) SELECT 'delete', old.id, old.title, old.content, char(57344) || old.author_id WHERE old.status = 'published';
  INSERT INTO draft_fts(draft_fts, rowid, title, content, author) SELECT 'delete', old.id, old.title, old.content, char(57344) || old.author_id WHERE old.status = 'draft';
  UPDATE post_totals SET total = total - 1, revision = revision + 1 WHERE author_id IN (0, old.author_id) AND status = old.status;
  INSERT INTO published_fts(rowid, title, content, author) SELECT new.id, new.title, new.content, char(57344) || new.author_id WHERE new.status = 'published';
  INSERT INTO draft_fts(rowid, title, content, author) SELECT new.id, new.title, new.content, char(57344) || new.author_id WHERE new.status = 'draft';
  INSERT INTO post_totals(author_id, status, total, revision) VALUES (0, new.status, 1, 1), (new.author_id, new.status, 1, 1)
    ON CONFLICT (author_id, status) DO UPDATE SET total = total + 1, revision = revision + 1;
END;--> statement-breakpoint
CREATE TRIGGER comments_insert AFTER INSERT ON comments BEGIN
  UPDATE posts SET comments_count = comments_count + 1 WHERE id = new.post_id;
END;--> statement-breakpoint
CREATE TRIGGER comments_delete AFTER DELETE ON comments BEGIN
  UPDATE posts SET comments_count = comments_count - 1 WHERE id = old.post_id;
END;--> statement-breakpoint
CREATE TRIGGER comment_likes_insert AFTER INSERT ON comment_likes BEGIN
  UPDATE comments SET likes = likes + 1 WHERE id = new.comment_id;
END;--> statement-breakpoint
CREATE TRIGGER comment_likes_delete AFTER DELETE ON comment_likes BEGIN
  UPDATE comments SET likes = likes - 1 WHERE id = old.comment_id;
END;
