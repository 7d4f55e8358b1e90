import { chatServer, newRooms } from "../chat.ts";
import { insertsPerSecond, isMemory } from "../durable.ts";
import { newPlayer } from "../player.ts";
import type { Measure } from "./measure.ts";

const MESSAGES = 100_000;
const CONNECTIONS = 64;
const LIMIT_MS = 1_500;
const MOST_MS = 60_000;

/** Messages posted over HTTP, each committed before it is answered: the figure that others publish. */
export const chatOverRest: Measure = async (lab) => {
  const dataDir = await lab.folder();
  const server = await chatServer(lab, dataDir);
  await newRooms(server.url, 1);
  const player = await newPlayer(server.url, "bench_talker");
  const body = JSON.stringify({ content: "A message of a usual length, as people write them in rooms." });
  const request =
    `POST /ws/rooms/1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${player.token}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const load = { port: server.port, connections: CONNECTIONS, request, measureMs: MOST_MS };
  await lab.load({ ...load, warmUpMs: 0, measureMs: 1_500 }).result;
  const posted = await lab.load({ ...load, warmUpMs: 0, answers: MESSAGES }).result;
  await server.stop();
  const where = isMemory(dataDir) ? " (in memory, NOT durable)" : "";
  const grouped = insertsPerSecond(dataDir, CONNECTIONS, LIMIT_MS);
  return [
    {
      name: `${MESSAGES} chat messages over REST, ${CONNECTIONS} connections${where}`,
      unit: "s",
      measured: posted.answers / posted.perSecond,
      limit: { what: `bare SQLite, groups of ${CONNECTIONS}`, value: MESSAGES / grouped },
      goal: { most: 4 },
    },
    {
      name: "  its rate",
      unit: "/s",
      measured: posted.perSecond,
      limit: { what: `bare SQLite, groups of ${CONNECTIONS}`, value: grouped },
      goal: null,
    },
  ];
};
