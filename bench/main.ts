import { cpus, loadavg } from "node:os";
import { blog } from "./blog.ts";
import { closeOnSignal, createLab } from "./lab.ts";
import { backup } from "./measures/backup.ts";
import { chatAbuse } from "./measures/chat-abuse.ts";
import { chatFanOut } from "./measures/chat-fan-out.ts";
import { chatJoining } from "./measures/chat-joining.ts";
import { chatMemory } from "./measures/chat-memory.ts";
import { chatOverRest } from "./measures/chat-over-rest.ts";
import { coldStart } from "./measures/cold-start.ts";
import { documentLatency } from "./measures/document-latency.ts";
import { firstView } from "./measures/first-view.ts";
import { idleMemory } from "./measures/idle-memory.ts";
import type { Measure } from "./measures/measure.ts";
import { nodes } from "./measures/nodes.ts";
import { profileReads } from "./measures/profile-reads.ts";
import { readsBesideDocuments } from "./measures/reads-beside-documents.ts";
import { rendering } from "./measures/rendering.ts";
import { signIn } from "./measures/sign-in.ts";
import { taskCreation } from "./measures/task-creation.ts";
import type { Row } from "./row.ts";
import { table } from "./table.ts";

const MEASURES: Readonly<Record<string, Measure>> = {
  "profile-reads": profileReads,
  "task-creation": taskCreation,
  rendering,
  "sign-in": signIn,
  blog,
  "chat-fan-out": chatFanOut,
  "chat-over-rest": chatOverRest,
  "chat-joining": chatJoining,
  "chat-memory": chatMemory,
  "chat-abuse": chatAbuse,
  "document-latency": documentLatency,
  "reads-beside-documents": readsBesideDocuments,
  nodes,
  "cold-start": coldStart,
  "idle-memory": idleMemory,
  "first-view": firstView,
  backup,
};

const MEASURE_LIMIT_MS = 150_000;

/** `bun bench/main.ts [name...]`. Exit codes: 0 measured (goals reached or not), 1 a measure failed, 2 wrong usage. */
async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !(name in MEASURES));
  if (unknown.length > 0) {
    process.stderr.write(`Unknown: ${unknown.join(", ")}. There are: ${Object.keys(MEASURES).join(", ")}.\n`);
    return 2;
  }
  // What else the machine is doing: above its cores, only ratios mean something.
  const loadBefore = loadavg()[0]?.toFixed(1);
  const rows: Row[] = [];
  const failed: string[] = [];
  for (const [name, measure] of Object.entries(MEASURES)) {
    if (names.length > 0 && !names.includes(name)) continue;
    process.stdout.write(`${name} ...\n`);
    try {
      rows.push(...(await inLab(measure)));
    } catch (error) {
      failed.push(name);
      process.stderr.write(`${name} FAILED: ${error instanceof Error ? error.stack : error}\n`);
    }
  }
  const cores = cpus();
  process.stdout.write(
    `\nBun ${Bun.version}, ${process.platform} ${process.arch}, ${cores.length} x ${cores[0]?.model}, load before: ${loadBefore}\n`,
  );
  process.stdout.write(`\n${table(rows)}\n`);
  if (failed.length > 0) process.stderr.write(`\nFAILED: ${failed.join(", ")}\n`);
  return failed.length > 0 ? 1 : 0;
}

async function inLab(measure: Measure): Promise<Row[]> {
  const lab = createLab();
  const unhook = closeOnSignal(lab);
  const expired = Promise.withResolvers<never>();
  const limit = setTimeout(
    () => expired.reject(new Error(`it took longer than ${MEASURE_LIMIT_MS / 1000} s`)),
    MEASURE_LIMIT_MS,
  );
  try {
    return await Promise.race([measure(lab), expired.promise]);
  } finally {
    clearTimeout(limit);
    await lab.close();
    unhook();
  }
}

process.exit(await main(process.argv.slice(2)));
