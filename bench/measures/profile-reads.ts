import type { Lab, Server } from "../lab.ts";
import type { LoadResult } from "../load.ts";
import { newPlayer } from "../player.ts";
import { hasProc, processorMs } from "../proc.ts";
import { median } from "../quantiles.ts";
import type { Row } from "../row.ts";
import type { Measure } from "./measure.ts";

const CONNECTIONS = 64;
const ROUNDS = 5;
const WARM_UP_MS = 700;
const MEASURE_MS = 2_000;

type Round = LoadResult & { readonly processorUs: number };

/** A signed-in read against a constant answer of the same length, in turns, so that both see the same machine. */
export const profileReads: Measure = async (lab) => {
  const server = await lab.serve({ dataDir: await lab.folder(), args: ["--no-worker"] });
  const player = await newPlayer(server.url, "bench_reader");
  const answer = await fetch(`${server.url}/api/users/myself`, {
    headers: { Authorization: `Bearer ${player.token}` },
  });
  const bare = await lab.serveBare((await answer.arrayBuffer()).byteLength);
  const ofServer: Round[] = [];
  const ofBare: Round[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ofServer.push(await oneRound(lab, server, player.profileRequest));
    ofBare.push(await oneRound(lab, bare, player.profileRequest));
  }
  const figures = (field: "perSecond" | "p50Ms" | "p99Ms" | "processorUs") => ({
    measured: median(ofServer.map((round) => round[field])),
    limit: { what: "constant Bun.serve", value: median(ofBare.map((round) => round[field])) },
  });
  const rows: Row[] = [
    {
      name: `signed-in profile reads, ${CONNECTIONS} connections`,
      unit: "/s",
      ...figures("perSecond"),
      goal: { leastRatio: 0.5 },
    },
    { name: "  its median", unit: "ms", ...figures("p50Ms"), goal: null },
    { name: "  its 99th percentile", unit: "ms", ...figures("p99Ms"), goal: null },
  ];
  // Hardly disturbed by what else the machine does, unlike the rate.
  if (hasProc()) {
    rows.push({ name: "  processor time per request", unit: "µs", ...figures("processorUs"), goal: null });
  }
  return rows;
};

async function oneRound(lab: Lab, { port, pid }: Server, request: string): Promise<Round> {
  const before = hasProc() ? await processorMs(pid) : 0;
  const spec = { port, connections: CONNECTIONS, request, warmUpMs: WARM_UP_MS, measureMs: MEASURE_MS };
  const result = await lab.load(spec).result;
  const used = hasProc() ? (await processorMs(pid)) - before : 0;
  return { ...result, processorUs: (used * 1000) / result.answers };
}
