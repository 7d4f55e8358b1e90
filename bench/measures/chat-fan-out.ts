import { chatServer, joinPath, newRooms, publishedBytes } from "../chat.ts";
import type { Lab } from "../lab.ts";
import type { SocketSpec } from "../socket-load.ts";
import type { Measure } from "./measure.ts";

const TEXT = "A message of a usual length, as people write them in rooms.";
const READERS = 500;
const PAIRS = 200;

/** Messages to everybody in a big room, and to the two in each of many small ones. */
export const chatFanOut: Measure = async (lab) => {
  const big = { ...SPEC, paths: people(READERS, () => 1), speakers: [0], unanswered: 32 };
  const pairs = {
    ...SPEC,
    paths: people(PAIRS * 2, (person) => 1 + (person >> 1)),
    speakers: Array.from({ length: PAIRS }, (_, pair) => pair * 2),
    unanswered: 4,
  };
  const server = await chatServer(lab, await lab.folder());
  await newRooms(server.url, PAIRS);
  const fanOut = await deliveries(lab, { ...big, port: server.port });
  const inPairs = await deliveries(lab, { ...pairs, port: server.port });
  await server.stop();
  const bare = await lab.serveBareSockets(publishedBytes(TEXT), 20);
  const bareFanOut = await deliveries(lab, { ...bareOf(big), port: bare.port });
  const bareInPairs = await deliveries(lab, { ...bareOf(pairs), port: bare.port });
  await bare.stop();
  return [
    {
      name: `chat deliveries in a room of ${READERS}`,
      unit: "/s",
      measured: fanOut,
      limit: { what: "bare server.publish", value: bareFanOut },
      goal: { leastRatio: 0.7 },
    },
    {
      name: `chat messages stored and delivered, ${PAIRS} rooms of 2`,
      unit: "/s",
      measured: inPairs / 2,
      limit: { what: "bare server.publish", value: bareInPairs / 2 },
      goal: { least: 40_000 },
    },
  ];
};

const SPEC = { port: 0, text: TEXT, warmUpMs: 1_000, measureMs: 4_000 };

const people = (count: number, roomOf: (person: number) => number): string[] =>
  Array.from({ length: count }, (_, person) => joinPath(roomOf(person), person));

/** The same rooms as topics. */
const bareOf = (spec: SocketSpec): SocketSpec => ({
  ...spec,
  paths: spec.paths.map((path) => path.replace(/\?.*/, "")),
});

async function deliveries(lab: Lab, spec: SocketSpec): Promise<number> {
  const { deliveriesPerSecond } = await lab.sockets(spec).result;
  return deliveriesPerSecond;
}
