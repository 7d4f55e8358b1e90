import { chatServer, joinPath, newRooms } from "../chat.ts";
import type { Lab, Server } from "../lab.ts";
import { hasProc, memoryOfTree } from "../proc.ts";
import type { Measure } from "./measure.ts";

const SOCKETS = 5_000;
const ROOMS = 100;
const SETTLE_MS = 3_000;

/** What an idle connection costs. Only where /proc tells. */
export const chatMemory: Measure = async (lab) => {
  if (!hasProc()) {
    process.stdout.write("memory: not measured, as this system has no /proc/self/smaps_rollup\n");
    return [];
  }
  const paths = Array.from({ length: SOCKETS }, (_, person) => joinPath(1 + (person % ROOMS), person));
  const server = await chatServer(lab, await lab.folder());
  await newRooms(server.url, ROOMS);
  const measured = await perSocket(lab, server, paths);
  await server.stop();
  const bare = await lab.serveBareSockets(100, 100);
  const limit = await perSocket(
    lab,
    bare,
    paths.map((path) => path.replace(/\?.*/, "")),
  );
  return [
    {
      name: `memory per connection, ${SOCKETS} idle ones in ${ROOMS} rooms`,
      unit: "KB",
      measured,
      limit: { what: "bare sockets that follow a topic", value: limit },
      goal: { most: 10 },
    },
  ];
};

async function perSocket(lab: Lab, server: Server, paths: readonly string[]): Promise<number> {
  // Somebody has been there before, so that what is made once is not counted.
  const spec = { port: server.port, speakers: [], text: "", unanswered: 0, warmUpMs: 0, measureMs: 0 };
  const warm = lab.sockets({ ...spec, paths: paths.slice(0, 200) });
  await warm.opened;
  warm.stop();
  await Bun.sleep(SETTLE_MS);
  const before = await memoryOfTree(server.pid);
  const sockets = lab.sockets({ ...spec, paths });
  await sockets.opened;
  await Bun.sleep(SETTLE_MS);
  const after = await memoryOfTree(server.pid);
  sockets.stop();
  return ((after - before) * 1_000) / paths.length;
}
