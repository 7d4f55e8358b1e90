import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type SQL, sql } from "drizzle-orm";
import { asDatabaseError, type DatabaseError, type Db, openDatabase } from "../../db/open.ts";
import { accounts } from "../../db/schema.ts";
import { type HranaServer, startHranaServer } from "../support/hrana-server.ts";

export const TOKEN = "a-token-of-the-test";

/** A folder of its own and whatever was opened in it; `close` ends all of it. */
export async function workshop() {
  const folder = await mkdtemp(join(tmpdir(), "guildhall-db-"));
  const closing: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const path = join(folder, "test.db");
  return {
    path,
    async open(url = `file:${path}`, options: Parameters<typeof openDatabase>[1] = {}): Promise<Db> {
      const db = await openDatabase(url, options);
      closing.push(() => db.close());
      return db;
    },
    async server(token: string | null = TOKEN): Promise<HranaServer> {
      const server = await startHranaServer(path, token);
      closing.push(() => server.close());
      return server;
    },
    /** Ends it with the test even when the test fails. */
    child(command: readonly string[]) {
      const child = Bun.spawn([process.execPath, ...command], { stdout: "pipe", stderr: "inherit" });
      closing.push(async () => {
        child.kill("SIGKILL");
        await child.exited;
      });
      return child;
    },
    async close(): Promise<void> {
      for (const end of closing.reverse()) await end();
    },
  };
}

export type Workshop = Awaited<ReturnType<typeof workshop>>;

export const newAccount = (name: string) => ({
  uuid: `uuid-of-${name}`,
  username: name,
  usernameKey: name.toLowerCase(),
  email: `${name}@example.org`,
  emailKey: `${name}@example.org`.toLowerCase(),
  passwordHash: "a hash",
  origin: "accounts" as const,
  createdAt: 1,
  updatedAt: 1,
});

export const insertAccount = (db: Db, name: string) =>
  db.insert(accounts).values(newAccount(name)).returning({ id: accounts.id });

export async function usernames(db: Db): Promise<string[]> {
  const rows = await db.select({ username: accounts.username }).from(accounts).orderBy(accounts.id);
  return rows.map((row) => row.username);
}

/** The failure of a promise as the domain sees it. */
export async function failureOf(promise: PromiseLike<unknown>): Promise<DatabaseError> {
  const error = await thrownBy(promise);
  const failure = asDatabaseError(error);
  if (failure === null) throw new Error("it failed with something else", { cause: error });
  return failure;
}

export async function thrownBy(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

export const value = async (db: Db, expression: SQL): Promise<unknown> =>
  (await db.values(sql`SELECT ${expression}`))[0]?.[0];
