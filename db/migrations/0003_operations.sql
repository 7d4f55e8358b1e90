CREATE TABLE `doomed_objects` (
	`key` text PRIMARY KEY NOT NULL,
	`due_at` integer NOT NULL,
	`stored_until` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `doomed_objects_due` ON `doomed_objects` (`due_at`);--> statement-breakpoint
CREATE TABLE `erasures` (
	`account_id` integer PRIMARY KEY NOT NULL,
	`began_at` integer NOT NULL,
	`messages_to` integer DEFAULT 0 NOT NULL,
	`audit_to` integer DEFAULT 0 NOT NULL,
	FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `task_totals` (
	`status` text PRIMARY KEY NOT NULL,
	`total` integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE `accounts` ADD `erased_at` integer;--> statement-breakpoint
ALTER TABLE `invitations` ADD `last_used_at` integer;--> statement-breakpoint
ALTER TABLE `mails` ADD `account_id` integer REFERENCES accounts(id);--> statement-breakpoint
CREATE INDEX `mails_account` ON `mails` (`account_id`) WHERE account_id IS NOT NULL;--> statement-breakpoint
ALTER TABLE `report_tasks` ADD `claims` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `report_tasks` ADD `request_id` text;--> statement-breakpoint
CREATE INDEX `report_tasks_status` ON `report_tasks` (`status`,`id`);--> statement-breakpoint
CREATE INDEX `report_tasks_requester` ON `report_tasks` (`requested_by`,`id`);--> statement-breakpoint
CREATE INDEX `audit_entries_target` ON `audit_entries` (`target`,`id`) WHERE target IS NOT NULL;--> statement-breakpoint
CREATE INDEX `sessions_expires` ON `sessions` (`expires_at`);--> statement-breakpoint
CREATE INDEX `room_people_standing` ON `room_people` (`room_id`,`user_id`) WHERE (role IS NOT NULL OR is_member = 1 OR muted_until IS NOT NULL OR banned_until IS NOT NULL);--> statement-breakpoint
INSERT INTO `task_totals` (`status`, `total`) SELECT status, count(*) FROM report_tasks GROUP BY status;--> statement-breakpoint
CREATE TRIGGER report_tasks_insert AFTER INSERT ON report_tasks BEGIN
  INSERT INTO task_totals(status, total) VALUES (new.status, 1) ON CONFLICT (status) DO UPDATE SET total = total + 1;
END;--> statement-breakpoint
CREATE TRIGGER report_tasks_delete AFTER DELETE ON report_tasks BEGIN
  UPDATE task_totals SET total = total - 1 WHERE status = old.status;
END;--> statement-breakpoint
CREATE TRIGGER report_tasks_update AFTER UPDATE OF status ON report_tasks WHEN new.status <> old.status BEGIN
  UPDATE task_totals SET total = total - 1 WHERE status = old.status;
  INSERT INTO task_totals(status, total) VALUES (new.status, 1) ON CONFLICT (status) DO UPDATE SET total = total + 1;
END;
