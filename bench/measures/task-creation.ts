import { insertsPerSecond, isMemory, syncsPerSecond } from "../durable.ts";
import { newPlayer } from "../player.ts";
import type { Measure } from "./measure.ts";

const CONNECTIONS = 64;
const LIMIT_MS = 1_500;

/** Tasks that are stored durably before they are answered. */
export const taskCreation: Measure = async (lab) => {
  const dataDir = await lab.folder();
  const server = await lab.serve({ dataDir, args: ["--no-worker"] });
  const player = await newPlayer(server.url, "bench_writer");
  const load = lab.load({
    port: server.port,
    connections: CONNECTIONS,
    request: player.documentRequest,
    warmUpMs: 1_000,
    measureMs: 5_000,
  });
  const created = await load.result;
  await server.stop();
  const where = isMemory(dataDir) ? " (in memory, NOT durable)" : "";
  const grouped = insertsPerSecond(dataDir, CONNECTIONS, LIMIT_MS);
  const syncs = syncsPerSecond(dataDir, LIMIT_MS);
  return [
    {
      name: `durable tasks, ${CONNECTIONS} connections${where}`,
      unit: "/s",
      measured: created.perSecond,
      limit: { what: `bare SQLite, groups of ${CONNECTIONS}`, value: grouped },
      goal: { least: 10_000 },
    },
    {
      name: "  the same",
      unit: "/s",
      measured: created.perSecond,
      limit: { what: "syncs of 4 KiB", value: syncs },
      goal: null,
    },
    {
      name: "  its 99th percentile",
      unit: "ms",
      measured: created.p99Ms,
      limit: { what: "one sync", value: 1000 / syncs },
      goal: null,
    },
  ];
};
