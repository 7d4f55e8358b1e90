import { newPlayer } from "../player.ts";
import type { Measure } from "./measure.ts";

const CONNECTIONS = 16;
const DOCUMENTS = 300;
const GAMES = 200;
const MAX_MS = 60_000;
const POLL_MS = 25;
const PAUSE_MS = 300;

/** How much requests suffer while the server's own worker makes documents, Cyrillic ones to be hard on it. */
export const readsBesideDocuments: Measure = async (lab) => {
  const server = await lab.serve({ dataDir: await lab.folder() });
  const player = await newPlayer(server.url, "Екатерина_Смирнова", GAMES);
  await player.documentDone(await player.requestDocument(), POLL_MS);
  const spec = {
    port: server.port,
    connections: CONNECTIONS,
    request: player.profileRequest,
    warmUpMs: 1_000,
    measureMs: 3_000,
  };
  const alone = await lab.load(spec).result;

  const load = lab.load({ ...spec, warmUpMs: 0, measureMs: MAX_MS });
  await Bun.sleep(PAUSE_MS);
  const startedAt = performance.now();
  const tasks = await Promise.all(Array.from({ length: DOCUMENTS }, player.requestDocument));
  for (const task of tasks) await player.documentDone(task, POLL_MS);
  const seconds = (performance.now() - startedAt) / 1000;
  load.stop();
  const beside = await load.result;
  return [
    {
      name: `p99 of profile reads at ${CONNECTIONS} connections, ${DOCUMENTS} documents being made`,
      unit: "ms",
      measured: beside.p99Ms,
      limit: { what: "without documents", value: alone.p99Ms },
      goal: { most: 15 },
    },
    {
      name: "  its rate",
      unit: "/s",
      measured: beside.perSecond,
      limit: { what: "without documents", value: alone.perSecond },
      goal: null,
    },
    { name: "  documents meanwhile", unit: "/s", measured: DOCUMENTS / seconds, limit: null, goal: null },
  ];
};
