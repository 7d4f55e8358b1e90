import { newPlayer } from "../player.ts";
import { hasProc, memoryOfTree } from "../proc.ts";
import type { Measure } from "./measure.ts";

const SETTLE_MS = 3_000;
const GOAL = { most: 100 } as const;

/** What a server holds that nobody uses, its renderer included. Only where /proc tells. */
export const idleMemory: Measure = async (lab) => {
  if (!hasProc()) {
    process.stdout.write("memory: not measured, as this system has no /proc/self/smaps_rollup\n");
    return [];
  }
  const bare = await lab.serveBare(32);
  const server = await lab.serve({ dataDir: await lab.folder() });
  await fetch(`${bare.url}/`);
  await Bun.sleep(SETTLE_MS);
  const limit = { what: "bare Bun.serve script", value: await memoryOfTree(bare.pid) };
  const afterStart = await memoryOfTree(server.pid);
  const player = await newPlayer(server.url, "bench_idler", 20);
  await player.documentDone(await player.requestDocument(), 10);
  await Bun.sleep(SETTLE_MS);
  const afterDocument = await memoryOfTree(server.pid);
  const unit = "MB";
  return [
    { name: "idle memory after the start, all processes", unit, measured: afterStart, limit, goal: GOAL },
    { name: "idle memory after one document", unit, measured: afterDocument, limit, goal: GOAL },
  ];
};
