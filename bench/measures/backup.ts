import { Database } from "bun:sqlite";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chatServer, newRooms } from "../chat.ts";
import { type Lab, MAIN } from "../lab.ts";
import { newPlayer } from "../player.ts";
import type { Row } from "../row.ts";
import type { Measure } from "./measure.ts";

// BACKUP_MB=100 tries it with less.
const SIZE_MB = Number(process.env.BACKUP_MB ?? 1_000);
const DOCUMENTS = 1_000;
const DOCUMENT_BYTES = 20_000;
const WRITES_PER_SECOND = 1_000;
const CONNECTIONS = 64;
const ALONE_MS = 8_000;
const MOST_MS = 90_000;
// What the backup leaves to be done by the server would show now.
const AFTER_MS = 2_000;
const LOOK_EVERY_MS = 20;

/** Durable writes over HTTP while a backup is made of a large database; then its verification and its restore. */
export const backup: Measure = async (lab) => {
  const dataDir = await lab.folder();
  const first = await chatServer(lab, dataDir);
  await newRooms(first.url, 1);
  const player = await newPlayer(first.url, "bench_writer");
  await first.stop();
  await fill(dataDir);

  const server = await chatServer(lab, dataDir);
  const body = JSON.stringify({ content: "A message of a usual length, as people write them in rooms." });
  const load = {
    port: server.port,
    connections: CONNECTIONS,
    requestsPerSecond: WRITES_PER_SECOND,
    request:
      `POST /ws/rooms/1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${player.token}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  };
  const alone = await lab.load({ ...load, warmUpMs: 1_000, measureMs: ALONE_MS }).result;
  const log = watchSize(join(dataDir, "guildhall.db-wal"));
  const beside = lab.load({ ...load, warmUpMs: 500, measureMs: MOST_MS });
  await Bun.sleep(500);
  const madeMs = await command(lab, "create", "--data-dir", dataDir);
  await Bun.sleep(AFTER_MS);
  beside.stop();
  const during = await beside.result;
  const logMb = log.stop() / 1_000_000;
  await server.stop();

  const [name = ""] = await readdir(join(dataDir, "backups"));
  const folder = join(dataDir, "backups", name);
  const target = await lab.folder();
  const copiedMs = copyPlainly(join(folder, "guildhall.db"), join(target, "copy"));
  const verifiedMs = await command(lab, "verify", name, "--data-dir", dataDir);
  const restoredMs = await command(lab, "restore", folder, "--data-dir", join(target, "restored"));
  const restored = new Database(join(target, "restored", "guildhall.db"));
  const check = restored.query("PRAGMA quick_check").values()[0]?.[0];
  restored.close();
  if (check !== "ok") throw new Error(`the restored database: ${check}`);

  const megabytes = Math.round((await stat(join(folder, "guildhall.db"))).size / 1_000_000);
  const copy = { what: "plain copy and sync", value: copiedMs / 1000 };
  const seconds = (what: string, ms: number): Row => ({
    name: what,
    unit: "s",
    measured: ms / 1000,
    limit: copy,
    goal: null,
  });
  const quantile = (what: string, key: "p50Ms" | "p99Ms" | "maxMs"): Row => ({
    name: what,
    unit: "ms",
    measured: during[key],
    limit: { what: "without a backup", value: alone[key] },
    goal: null,
  });
  return [
    seconds(`backup of ${megabytes} MB and ${DOCUMENTS} documents, ${WRITES_PER_SECOND} writes/s`, madeMs),
    quantile("  p50 of the writes meanwhile", "p50Ms"),
    { ...quantile("  their p99", "p99Ms"), goal: { most: 50 } },
    quantile("  the longest", "maxMs"),
    {
      name: "  their rate",
      unit: "/s",
      measured: during.perSecond,
      limit: null,
      goal: { least: WRITES_PER_SECOND * 0.98 },
    },
    { name: "  largest write-ahead log", unit: "MB", measured: logMb, limit: null, goal: null },
    seconds("  its verification", verifiedMs),
    seconds("  its restore, verified before", restoredMs),
  ];
};

/** Chat messages of 1 KB up to the size, and finished documents, without the durability that the server has. */
async function fill(dataDir: string): Promise<void> {
  const database = new Database(join(dataDir, "guildhall.db"));
  database.run("PRAGMA synchronous = OFF");
  const noise = randomBytes(200_000).toString("base64");
  const insert = database.prepare(
    "INSERT INTO messages (room_id, kind, user_id, username, content, sent_at) VALUES (1, 'message', 1, 'filler', ?, 0)",
  );
  database.transaction(() => {
    for (let row = 0; row < SIZE_MB * 880; row++) insert.run(noise.substr((row * 7919) % 250_000, 1_000));
  })();
  await mkdir(join(dataDir, "documents"), { recursive: true });
  const done = database.prepare(
    `INSERT INTO report_tasks (id, kind, subject_id, requested_by, status, due_at, document_bytes, document_sha256, created_at, finished_at)
    VALUES (?, 'stats', 1, 1, 'DONE', 0, ?, ?, 0, 0)`,
  );
  for (let index = 0; index < DOCUMENTS; index++) {
    const id = Bun.randomUUIDv7();
    const bytes = randomBytes(DOCUMENT_BYTES);
    await writeFile(join(dataDir, "documents", `stats-${id}.pdf`), bytes);
    done.run(id, bytes.length, createHash("sha256").update(bytes).digest("hex"));
  }
  database.run("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
  // Else the system would write that down while we measure.
  const file = openSync(join(dataDir, "guildhall.db"), "r");
  fsyncSync(file);
  closeSync(file);
}

/** Runs `guildhall backup ...`; answers its milliseconds. */
async function command(lab: Lab, ...args: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  const spawned = await lab.spawn([process.execPath, MAIN, "backup", ...args]);
  const code = await spawned.process.exited;
  if (code !== 0) throw new Error(`backup ${args[0]} ended with ${code}: ${await spawned.output()}`);
  return performance.now() - startedAt;
}

function watchSize(path: string): { stop(): number } {
  let largest = 0;
  const timer = setInterval(async () => {
    largest = Math.max(
      largest,
      await stat(path).then(
        ({ size }) => size,
        () => 0,
      ),
    );
  }, LOOK_EVERY_MS);
  return {
    stop() {
      clearInterval(timer);
      return largest;
    },
  };
}

function copyPlainly(from: string, to: string): number {
  const startedAt = performance.now();
  const [source, target] = [openSync(from, "r"), openSync(to, "w")];
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  for (let read = readSync(source, buffer); read > 0; read = readSync(source, buffer))
    writeSync(target, buffer, 0, read);
  fsyncSync(target);
  closeSync(source);
  closeSync(target);
  return performance.now() - startedAt;
}
