import { writeSync } from "node:fs";
import { sql } from "drizzle-orm";
import { openDatabase } from "../../db/open.ts";

// Writes to the database in argv[2] until it is killed; prints each number after its write was answered.
const db = await openDatabase(`file:${process.argv[2]}`);
let next = 0;
for (let writer = 0; writer < 32; writer++) void write();

async function write(): Promise<void> {
  for (;;) {
    const number = next++;
    const name = `role${number}`;
    const insert = db.run(sql`INSERT INTO roles (name, permissions) VALUES (${name}, '[]')`);
    await (number % 2 === 0 ? insert : db.batch([insert]));
    writeSync(1, `${name}\n`);
  }
}
