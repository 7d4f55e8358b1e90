import type { LoadResult } from "../load.ts";
import { newPlayer } from "../player.ts";
import { median } from "../quantiles.ts";
import type { Measure } from "./measure.ts";

const CONNECTIONS = 64;
const ROUNDS = 3;
const WARM_UP_MS = 1_000;
const MEASURE_MS = 2_500;

/** A signed-in read against a constant answer of the same length, in turns, so that both see the same machine. */
export const profileReads: Measure = async (lab) => {
  const server = await lab.serve({ dataDir: await lab.folder(), args: ["--no-worker"] });
  const player = await newPlayer(server.url, "bench_reader");
  const answer = await fetch(`${server.url}/api/users/myself`, {
    headers: { Authorization: `Bearer ${player.token}` },
  });
  const bare = await lab.serveBare((await answer.arrayBuffer()).byteLength);
  const ofServer: LoadResult[] = [];
  const ofBare: LoadResult[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [port, results] of [[server.port, ofServer] as const, [bare.port, ofBare] as const]) {
      const load = lab.load({
        port,
        connections: CONNECTIONS,
        request: player.profileRequest,
        warmUpMs: WARM_UP_MS,
        measureMs: MEASURE_MS,
      });
      results.push(await load.result);
    }
  }
  const middle = (results: LoadResult[], field: "perSecond" | "p50Ms" | "p99Ms") =>
    median(results.map((result) => result[field]));
  const what = "constant Bun.serve";
  return [
    {
      name: `signed-in profile reads, ${CONNECTIONS} connections`,
      unit: "/s",
      measured: middle(ofServer, "perSecond"),
      limit: { what, value: middle(ofBare, "perSecond") },
      goal: { leastRatio: 0.5 },
    },
    {
      name: "  its median",
      unit: "ms",
      measured: middle(ofServer, "p50Ms"),
      limit: { what, value: middle(ofBare, "p50Ms") },
      goal: null,
    },
    {
      name: "  its 99th percentile",
      unit: "ms",
      measured: middle(ofServer, "p99Ms"),
      limit: { what, value: middle(ofBare, "p99Ms") },
      goal: null,
    },
  ];
};
