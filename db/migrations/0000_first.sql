CREATE TABLE `account_roles` (
	`account_id` integer NOT NULL,
	`role_id` integer NOT NULL,
	PRIMARY KEY(`account_id`, `role_id`),
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`role_id`) REFERENCES `roles`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `account_roles_role` ON `account_roles` (`role_id`);--> statement-breakpoint
CREATE TABLE `accounts` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`uuid` text NOT NULL,
	`username` text NOT NULL,
	`username_key` text NOT NULL,
	`email` text NOT NULL,
	`email_key` text NOT NULL,
	`password_hash` text,
	`password_strong` integer DEFAULT false NOT NULL,
	`origin` text NOT NULL,
	`email_visible` integer DEFAULT false NOT NULL,
	`full_name` text,
	`first_name` text,
	`last_name` text,
	`patronymic` text,
	`sex` text,
	`avatar_url` text,
	`birthday` text,
	`description` text DEFAULT '' NOT NULL,
	`background_color` text DEFAULT '#005CC9' NOT NULL,
	`location` text,
	`phone_number` text,
	`timezone` text,
	`language` text,
	`company` text,
	`email_verified_at` integer,
	`last_login_at` integer,
	`login_count` integer DEFAULT 0 NOT NULL,
	`deactivated_at` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `accounts_uuid_unique` ON `accounts` (`uuid`);--> statement-breakpoint
CREATE UNIQUE INDEX `accounts_username_unique` ON `accounts` (`username_key`);--> statement-breakpoint
CREATE UNIQUE INDEX `accounts_email_unique` ON `accounts` (`email_key`) WHERE password_hash IS NOT NULL;--> statement-breakpoint
CREATE TABLE `games` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`account_id` integer NOT NULL,
	`role` text NOT NULL,
	`result` text NOT NULL,
	`duration_seconds` integer NOT NULL,
	`played_at` integer NOT NULL,
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `games_account` ON `games` (`account_id`,`id`);--> statement-breakpoint
CREATE TABLE `player_counters` (
	`account_id` integer PRIMARY KEY NOT NULL,
	`victory_count` integer DEFAULT 0 NOT NULL,
	`loss_count` integer DEFAULT 0 NOT NULL,
	`session_count` integer DEFAULT 0 NOT NULL,
	`total_time_seconds` integer DEFAULT 0 NOT NULL,
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `player_counters_leaderboard` ON `player_counters` (`victory_count`,`account_id`);--> statement-breakpoint
CREATE TABLE `report_tasks` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`subject_id` integer NOT NULL,
	`requested_by` integer NOT NULL,
	`status` text NOT NULL,
	`due_at` integer NOT NULL,
	`lease_owner` text,
	`attempts` integer DEFAULT 0 NOT NULL,
	`report` text,
	`error` text,
	`document_bytes` integer,
	`document_sha256` text,
	`created_at` integer NOT NULL,
	`finished_at` integer,
	FOREIGN KEY (`subject_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`requested_by`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT "report_tasks_lease" CHECK((status = 'PROCESSING') = (lease_owner IS NOT NULL))
);
--> statement-breakpoint
CREATE INDEX `report_tasks_due` ON `report_tasks` (`due_at`) WHERE status IN ('PENDING', 'PROCESSING');--> statement-breakpoint
CREATE INDEX `report_tasks_subject` ON `report_tasks` (`subject_id`,`kind`,`id`);--> statement-breakpoint
CREATE TABLE `roles` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`name` text NOT NULL,
	`permissions` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `roles_name_unique` ON `roles` (`name`);--> statement-breakpoint
CREATE TABLE `sessions` (
	`id` text PRIMARY KEY NOT NULL,
	`account_id` integer NOT NULL,
	`origin` text NOT NULL,
	`address` text NOT NULL,
	`user_agent` text,
	`browser` text,
	`created_at` integer NOT NULL,
	`last_used_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`revoked_at` integer,
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `sessions_account` ON `sessions` (`account_id`);--> statement-breakpoint
INSERT INTO `roles` (`name`, `permissions`) VALUES ('admin', '["*"]'), ('moderator', '["blog.moderate","chat.moderate"]');
