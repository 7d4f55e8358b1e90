import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";

// What Linux tells of processes; other systems have no such figures.

export const hasProc = (): boolean => existsSync("/proc/self/smaps_rollup");

// USER_HZ, which Linux shows to programs on every architecture that Bun runs on.
const TICKS_PER_SECOND = 100;

/** Processor time that a process has used so far, all its threads together. */
export async function processorMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The second field is the name in parentheses and may hold anything; utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

/** Resident set of a process alone, in MB (10^6 bytes); null when it is gone. */
export async function residentMemory(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(status) ?? [];
  return kilobytes === undefined ? null : (Number(kilobytes) * 1024) / 1_000_000;
}

/** Proportional set size of a process and all its descendants in MB (10^6 bytes): shared pages count once. */
export async function memoryOfTree(pid: number): Promise<number> {
  let bytes = 0;
  for (const member of await tree(pid)) {
    const rollup = await readFile(`/proc/${member}/smaps_rollup`, "utf8");
    bytes += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? Number.NaN) * 1024;
  }
  return bytes / 1_000_000;
}

async function tree(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  const children = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, "utf8")),
  );
  const ids = children.flatMap((list) => list.split(" ").filter((id) => id.trim() !== "")).map(Number);
  return [pid, ...(await Promise.all(ids.map(tree))).flat()];
}
