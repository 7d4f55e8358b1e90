import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";

export const canMeasureMemory = (): boolean => existsSync("/proc/self/smaps_rollup");

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
