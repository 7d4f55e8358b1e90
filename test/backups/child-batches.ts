import { writeSync } from "node:fs";
import { sql } from "drizzle-orm";
import { openDatabase } from "../../db/open.ts";

// Writes batches of ten rows to the database in argv[2] until it is killed; prints each number when it was answered.
const ROWS = 10;
const db = await openDatabase(`file:${process.argv[2]}`);
let next = 0;
for (let writer = 0; writer < 16; writer++) void write();

async function write(): Promise<void> {
  for (;;) {
    const batch = next++;
    const rows = Array.from({ length: ROWS }, (_, row) =>
      db.run(sql`INSERT INTO roles (name, permissions) VALUES (${`batch${batch}-${row}`}, '[]')`),
    );
    const [first, ...others] = rows;
    if (first === undefined) return;
    await db.batch([first, ...others]);
    writeSync(1, `${batch}\n`);
  }
}
