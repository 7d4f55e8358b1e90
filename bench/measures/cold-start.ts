import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { BARE, type Lab, MAIN } from "../lab.ts";
import { median } from "../quantiles.ts";
import type { Row } from "../row.ts";
import type { Measure } from "./measure.ts";

const STARTS = 7;
const TIMEOUT_MS = 10_000;
const POLL_MS = 1;
const GOAL = { most: 150 } as const;
const EXECUTABLE = join(import.meta.dir, "../../dist/guildhall");

/** From spawn to the first answer, on a folder that an earlier start has made. */
export const coldStart: Measure = async (lab) => {
  const empty = await times(() => emptyScript(lab));
  const bare = await times(() => firstAnswer(lab, (port) => [process.execPath, BARE, "32", port], "/"));
  const serve = async (...program: string[]) => {
    // One each: an executable that was built earlier may refuse the source's newer database.
    const dataDir = await lab.folder();
    const start = () =>
      firstAnswer(lab, (port) => [...program, "serve", "--port", port, "--data-dir", dataDir], "/healthz");
    await start();
    return times(start);
  };
  const source = await serve(process.execPath, MAIN);
  const rows: Row[] = [
    {
      name: "cold start to the first /healthz, from source",
      unit: "ms",
      measured: source,
      limit: { what: "bare Bun.serve script", value: bare },
      goal: GOAL,
    },
    {
      name: "  the same",
      unit: "ms",
      measured: source,
      limit: { what: "bun -e 0", value: empty },
      goal: null,
    },
  ];
  if (existsSync(EXECUTABLE)) {
    rows.push({
      name: "cold start to the first /healthz, dist/guildhall",
      unit: "ms",
      measured: await serve(EXECUTABLE),
      limit: { what: "bare Bun.serve script", value: bare },
      goal: GOAL,
    });
  }
  return rows;
};

async function times(once: () => Promise<number>): Promise<number> {
  const all: number[] = [];
  for (let start = 0; start < STARTS; start++) all.push(await once());
  return median(all);
}

async function emptyScript(lab: Lab): Promise<number> {
  const startedAt = performance.now();
  const spawned = await lab.spawn([process.execPath, "-e", "0"]);
  await spawned.process.exited;
  return performance.now() - startedAt;
}

async function firstAnswer(lab: Lab, command: (port: string) => string[], path: string): Promise<number> {
  const port = await freePort();
  const startedAt = performance.now();
  const spawned = await lab.spawn(command(String(port)), { LOG_FORMAT: "json" });
  while (true) {
    const status = await fetch(`http://127.0.0.1:${port}${path}`, { keepalive: false }).then(
      (response) => response.status,
      () => null,
    );
    if (status === 200) break;
    if (performance.now() - startedAt > TIMEOUT_MS || spawned.process.exitCode !== null) {
      throw new Error(`no answer (status ${status}):\n${(await spawned.output()).slice(-2_000)}`);
    }
    await Bun.sleep(POLL_MS);
  }
  const ms = performance.now() - startedAt;
  await spawned.stop();
  return ms;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
