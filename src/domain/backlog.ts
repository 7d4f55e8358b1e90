import { sql } from "drizzle-orm";
import { TASK_STATUSES } from "../../db/schema.ts";
import type { Core, Gauges } from "./core.ts";

// More is as bad, and would take long to count.
const MAX_COUNTED = 100_000;

/** How much there is to do in the whole community, for who watches over it. */
export async function backlog(core: Core): Promise<Gauges> {
  const now = core.clock();
  const [statuses, due, mails] = await Promise.all([
    core.db.values<[status: string, count: number]>(sql`SELECT status, total FROM task_totals`),
    core.db.values<[count: number, oldest: number | null]>(
      sql`SELECT count(*), min(due_at) FROM (SELECT due_at FROM report_tasks
        WHERE status IN ('PENDING', 'PROCESSING') AND due_at <= ${now} ORDER BY due_at LIMIT ${MAX_COUNTED})`,
    ),
    core.db.values<[count: number]>(sql`SELECT count(*) FROM mails`),
  ]);
  const [dueTasks = 0, oldest = null] = due[0] ?? [];
  return {
    // Those of which there is none as well: a series that comes and goes is hard to watch.
    tasks: {
      ...Object.fromEntries(TASK_STATUSES.map((status) => [status, 0])),
      ...Object.fromEntries(statuses),
    },
    queue_due_tasks: dueTasks,
    queue_oldest_seconds: oldest === null ? 0 : (now - oldest) / 1000,
    mails_waiting: mails[0]?.[0] ?? 0,
  };
}
