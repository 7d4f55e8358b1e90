import { readdir, readFile, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Lab } from "../lab.ts";
import type { Findings } from "./findings.ts";
import { ENVIRONMENT, freePort, SERVER_READY, type Site, WORKER_READY } from "./site.ts";
import { processTarget, rendererTarget } from "./target.ts";

// Older than any put can be.
const AGE_SECONDS = 11 * 60;

/** One server with a worker in it, and a worker of its own beside it, on one folder. */
export function embeddedSite(lab: Lab, root: string, folder: string, findings: Findings): Site {
  const dataDir = join(folder, "data");
  const documents = join(dataDir, "documents");
  const port = freePort();
  const shared = { lab, findings, env: ENVIRONMENT, isOurs: true };
  const program = [process.execPath, join(root, "src/main.ts")];
  const server = processTarget({
    ...shared,
    name: "server",
    weight: 2,
    command: [...program, "serve", "--data-dir", dataDir, "--port", String(port)],
    ready: SERVER_READY,
  });
  const worker = processTarget({
    ...shared,
    name: "worker",
    weight: 1,
    command: [...program, "worker", "--data-dir", dataDir],
    ready: WORKER_READY,
  });

  const leftovers = async () =>
    (await readdir(dataDir, { recursive: true })).filter((name) => /\.(tmp|probe)$/.test(name));

  return {
    nodes: [`http://127.0.0.1:${port}`],
    targets: [server, worker, rendererTarget([server, worker], 0.5)],
    processes: [server, worker],
    command: (...words) => [...program, ...words, "--data-dir", dataDir],
    env: ENVIRONMENT,
    databaseFile: join(dataDir, "guildhall.db"),
    sharedNodes: 0,
    listObjects: async () => (await readdir(documents)).filter((name) => !name.startsWith(".")),
    readObject: (key) => readFile(join(documents, key)).catch(() => null),
    leftovers,
    async ageLeftovers() {
      const then = Date.now() / 1000 - AGE_SECONDS;
      for (const name of await leftovers()) await utimes(join(dataDir, name), then, then);
    },
    queueDepths: async () => ({}),
  };
}
