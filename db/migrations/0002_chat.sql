CREATE TABLE `chat_epoch` (
	`id` integer PRIMARY KEY NOT NULL,
	`epoch` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `messages` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`room_id` integer NOT NULL,
	`kind` text NOT NULL,
	`user_id` integer NOT NULL,
	`username` text NOT NULL,
	`content` text NOT NULL,
	`key` text,
	`removed_id` integer,
	`sent_at` integer NOT NULL,
	FOREIGN KEY (`room_id`) REFERENCES `rooms`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `messages_room` ON `messages` (`room_id`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `messages_key_unique` ON `messages` (`room_id`,`user_id`,`key`) WHERE key IS NOT NULL;--> statement-breakpoint
CREATE TABLE `nodes` (
	`id` text PRIMARY KEY NOT NULL,
	`seen_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `presence` (
	`node_id` text NOT NULL,
	`room_id` integer NOT NULL,
	`user_id` integer NOT NULL,
	`username` text NOT NULL,
	PRIMARY KEY(`node_id`, `room_id`, `user_id`),
	FOREIGN KEY (`node_id`) REFERENCES `nodes`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `presence_room` ON `presence` (`room_id`);--> statement-breakpoint
CREATE TABLE `room_people` (
	`room_id` integer NOT NULL,
	`user_id` integer NOT NULL,
	`role` text,
	`is_member` integer DEFAULT false NOT NULL,
	`muted_until` integer,
	`banned_until` integer,
	`read_id` integer DEFAULT 0 NOT NULL,
	`said_at` integer,
	PRIMARY KEY(`room_id`, `user_id`),
	FOREIGN KEY (`room_id`) REFERENCES `rooms`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `room_people_user` ON `room_people` (`user_id`);--> statement-breakpoint
CREATE TABLE `rooms` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`key` text,
	`is_number` integer NOT NULL,
	`name` text NOT NULL,
	`is_private` integer DEFAULT false NOT NULL,
	`is_read_only` integer DEFAULT false NOT NULL,
	`slow_mode_seconds` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `rooms_key_unique` ON `rooms` (`key`);--> statement-breakpoint
CREATE TABLE `socket_tickets` (
	`hash` text PRIMARY KEY NOT NULL,
	`session_id` text NOT NULL,
	`expires_at` integer NOT NULL,
	FOREIGN KEY (`session_id`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `socket_tickets_expires` ON `socket_tickets` (`expires_at`);--> statement-breakpoint
CREATE INDEX `socket_tickets_session` ON `socket_tickets` (`session_id`);--> statement-breakpoint
CREATE INDEX `sessions_revoked` ON `sessions` (`revoked_at`) WHERE revoked_at IS NOT NULL;--> statement-breakpoint
INSERT INTO `chat_epoch` (`id`, `epoch`) VALUES (1, lower(hex(randomblob(16))));
