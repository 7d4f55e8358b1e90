ALTER TABLE `report_tasks` ADD `claims` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `report_tasks` ADD `request_id` text;--> statement-breakpoint
CREATE INDEX `audit_entries_target` ON `audit_entries` (`target`,`id`) WHERE target IS NOT NULL;--> statement-breakpoint
CREATE INDEX `sessions_expires` ON `sessions` (`expires_at`);