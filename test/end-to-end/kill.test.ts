import { Database } from "bun:sqlite";
import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import pino from "pino";
import { createRenderers } from "../../worker/renderer.ts";
import { eventually } from "../adapters/eventually.ts";
import {
  childrenOf,
  type RunningProcess,
  type RunningServer,
  startServer,
  startWorker,
  temporaryFolder,
} from "../support/server.ts";
import { ask, download, signUp } from "../support/walk.ts";

const TASKS = 50;
const ROUNDS = 6;

let folder: ReturnType<typeof temporaryFolder>;
const running = new Set<RunningProcess>();
const started = <P extends RunningProcess>(process: P): P => {
  running.add(process);
  return process;
};
afterEach(async () => {
  for (const process of running) process.kill("SIGKILL");
  await Promise.all([...running].map((process) => process.exited));
  running.clear();
  await folder.remove();
});

/** All accepted tasks are DONE, each has one document, and its bytes can be made again. */
async function expectAllDone(server: RunningServer, token: string, ids: readonly string[]): Promise<void> {
  const documents = await Promise.all(ids.map((id) => download(server, token, id, 60_000)));
  const stored = (await readdir(join(folder.path, "documents"))).filter((name) => name.endsWith(".pdf"));
  expect(stored.sort()).toEqual(ids.map((id) => `stats-${id}.pdf`).sort());
  expect(await server.stop()).toBe(0);

  const database = new Database(join(folder.path, "guildhall.db"), { readonly: true });
  const rows = database
    .query<{ id: string; status: string; report: string; sha256: string }, []>(
      "SELECT id, status, report, document_sha256 AS sha256 FROM report_tasks ORDER BY id",
    )
    .all();
  expect(database.query("PRAGMA integrity_check").values()).toEqual([["ok"]]);
  expect(database.query("PRAGMA foreign_key_check").values()).toEqual([]);
  database.close();
  expect(rows.map((row) => row.id)).toEqual([...ids].sort());

  const [renderer] = createRenderers(1, { log: pino({ level: "silent" }) });
  for (const [index, id] of ids.entries()) {
    const row = rows.find((candidate) => candidate.id === id);
    const again = await renderer.render(row?.report ?? "");
    expect(Buffer.from(again).equals(Buffer.from(documents[index] ?? []))).toBe(true);
    expect(row).toMatchObject({ status: "DONE", sha256: createHash("sha256").update(again).digest("hex") });
  }
  renderer.kill();
}

/** How many jobs are running by what the file says, whoever wrote it. */
function runningJobs(): number {
  const database = new Database(join(folder.path, "guildhall.db"), { readonly: true });
  try {
    return database.query("SELECT 1 FROM report_tasks WHERE status = 'PROCESSING'").all().length;
  } finally {
    database.close();
  }
}

/** Asks for all of them in small portions while `harm` is done between. */
async function askWhile(
  server: () => RunningServer,
  token: string,
  harm: (round: number) => Promise<void>,
): Promise<string[]> {
  const ids: string[] = [];
  for (let round = 0; ids.length < TASKS; round++) {
    const portion = Math.min(Math.ceil(TASKS / ROUNDS), TASKS - ids.length);
    ids.push(...(await Promise.all(Array.from({ length: portion }, () => ask(server(), token, "subject")))));
    await Bun.sleep(10 + Math.random() * 60);
    if (ids.length < TASKS) await harm(round);
  }
  return ids;
}

describe("SIGKILL in the middle of 50 jobs: all done, one document each, equal bytes", () => {
  test("the server, with the worker in it", async () => {
    folder = temporaryFolder();
    const start = async () => started(await startServer({ dataDir: folder.path }));
    let server = await start();
    let hit = 0;
    const token = await signUp(server, "subject");
    const ids = await askWhile(
      () => server,
      token,
      async () => {
        server.kill("SIGKILL");
        await server.exited;
        hit += runningJobs();
        server = await start();
      },
    );
    expect(hit).toBeGreaterThan(0);
    await expectAllDone(server, token, ids);
  }, 120_000);

  test("a worker of its own", async () => {
    folder = temporaryFolder();
    const server = started(await startServer({ dataDir: folder.path, args: ["--no-worker"] }));
    const start = async () => started(await startWorker({ dataDir: folder.path }));
    let worker = await start();
    let hit = 0;
    const token = await signUp(server, "subject");
    const ids = await askWhile(
      () => server,
      token,
      async () => {
        worker.kill("SIGKILL");
        await worker.exited;
        hit += runningJobs();
        worker = await start();
      },
    );
    expect(hit).toBeGreaterThan(0);
    await expectAllDone(server, token, ids);
    expect(await worker.stop()).toBe(0);
  }, 120_000);

  test("the renderer", async () => {
    folder = temporaryFolder();
    const server = started(await startServer({ dataDir: folder.path }));
    const token = await signUp(server, "subject");
    let kills = 0;
    const ids = await askWhile(
      () => server,
      token,
      async () => {
        const children = await childrenOf(server.pid);
        await eventually(() => runningJobs() > 0, 4_000, 1);
        for (const pid of children) process.kill(pid, "SIGKILL");
        if (children.length > 0) kills += 1;
      },
    );
    expect(kills).toBeGreaterThan(2);
    await expectAllDone(server, token, ids);
  }, 120_000);
});
