import { available, startBroker } from "../../test/support/rabbitmq.ts";
import { renderReport } from "../../worker/pdf/render.ts";
import { syncsPerSecond } from "../durable.ts";
import type { Lab } from "../lab.ts";
import { newPlayer } from "../player.ts";
import { median } from "../quantiles.ts";
import { sampleReport } from "../reports.ts";
import type { Row } from "../row.ts";
import type { Measure } from "./measure.ts";

const TASKS = 30;
const WARM_UP_TASKS = 10;
const POLL_MS = 2;
const PAUSE_MS = 60;
// The row, its claim, its figures, the document, its folder, and DONE.
const SYNCS_PER_TASK = 6;
const USERNAME = "bench_player";
const GAMES = 200;
const GOAL = { most: 50 } as const;

/** From asking to DONE on a server that has nothing else to do. */
export const documentLatency: Measure = async (lab) => {
  const limit = await floor(lab);
  const rows: Row[] = [await latency(lab, "document from asking to DONE, embedded queue", limit, {})];
  if (available()) {
    const broker = await startBroker();
    lab.onClose(() => broker.close());
    rows.push(await latency(lab, "document from asking to DONE, RabbitMQ", limit, { AMQP_URL: broker.url }));
  }
  return rows;
};

async function latency(
  lab: Lab,
  name: string,
  limit: Row["limit"],
  env: Record<string, string>,
): Promise<Row> {
  const server = await lab.serve({ dataDir: await lab.folder(), env });
  const player = await newPlayer(server.url, USERNAME, GAMES);
  const times: number[] = [];
  for (let task = 0; task < WARM_UP_TASKS + TASKS; task++) {
    await Bun.sleep(PAUSE_MS);
    const startedAt = performance.now();
    await player.documentDone(await player.requestDocument(), POLL_MS);
    times.push(performance.now() - startedAt);
  }
  await server.stop();
  return { name, unit: "ms", measured: median(times.slice(WARM_UP_TASKS)), limit, goal: GOAL };
}

async function floor(lab: Lab): Promise<Row["limit"]> {
  const syncMs = 1000 / syncsPerSecond(await lab.folder(), 500);
  const times: number[] = [];
  for (let document = 0; document < 2 * TASKS; document++) {
    const startedAt = performance.now();
    await renderReport(sampleReport(USERNAME, GAMES));
    times.push(performance.now() - startedAt);
  }
  return { what: `rendering and ${SYNCS_PER_TASK} syncs`, value: median(times) + SYNCS_PER_TASK * syncMs };
}
