import { Database } from "bun:sqlite";

// Holds the write lock of the database file in argv[2] for argv[3] milliseconds and says when it has it.
const database = new Database(process.argv[2] ?? "");
database.run("BEGIN IMMEDIATE");
process.stdout.write("held\n");
Bun.sleepSync(Number(process.argv[3]));
database.run("COMMIT");
