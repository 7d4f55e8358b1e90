import { Database } from "bun:sqlite";
import { join } from "node:path";
import { chatServer, joinPath, newRooms } from "../chat.ts";
import { Durations } from "../quantiles.ts";
import type { Measure } from "./measure.ts";

const MESSAGES = 1_000_000;
const JOINS = 300;
const WARM_UP = 50;
const TIMEOUT_MS = 5_000;

/** Joining a room with a long history, by somebody who gets the last 50 messages of it. */
export const chatJoining: Measure = async (lab) => {
  const dataDir = await lab.folder();
  const first = await chatServer(lab, dataDir);
  await newRooms(first.url, 2);
  await first.stop();
  fill(join(dataDir, "guildhall.db"));
  const server = await chatServer(lab, dataDir);
  const { joined, bytes } = await joins(server.port, joinPath(1, 1));
  await server.stop();
  const bare = await lab.serveBareSockets(100, bytes);
  const limit = await joins(bare.port, "/1");
  await bare.stop();
  return [
    {
      name: "joining a room of 1,000,000 messages: handshake to the last 50, as the client sees it",
      unit: "ms",
      measured: joined.quantile(0.5),
      limit: { what: "bare socket, as many bytes", value: limit.joined.quantile(0.5) },
      goal: { most: 2 },
    },
    {
      name: "  its 99th percentile",
      unit: "ms",
      measured: joined.quantile(0.99),
      limit: { what: "bare socket, as many bytes", value: limit.joined.quantile(0.99) },
      goal: null,
    },
  ];
};

/** Two rooms in turn, so that the big one's messages do not lie in a row. */
function fill(path: string): void {
  const database = new Database(path);
  database.run(`INSERT INTO messages (room_id, kind, user_id, username, content, sent_at)
    WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${MESSAGES * 1.1})
    SELECT 1 + (i % 11 = 0), 'message', 1 + i % 50, 'somebody', 'A message of a usual length, number ' || i, i FROM n`);
  database.run("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
}

async function joins(port: number, path: string) {
  const joined = new Durations();
  let bytes = 0;
  for (let round = 0; round < WARM_UP + JOINS; round++) {
    const startedAt = performance.now();
    bytes = await firstFrame(`ws://127.0.0.1:${port}${path}`);
    if (round >= WARM_UP) joined.add(performance.now() - startedAt);
  }
  return { joined, bytes };
}

/** Resolves with the length of the first frame. */
function firstFrame(url: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const isBare = !url.includes("?");
  const socket = new WebSocket(url, isBare ? [] : ["guildhall.v1"]);
  const limit = setTimeout(() => reject(new Error("no first frame in time")), TIMEOUT_MS);
  socket.onmessage = ({ data }) => {
    clearTimeout(limit);
    socket.close();
    resolve(String(data).length);
  };
  socket.onerror = () => reject(new Error("a socket could not be opened"));
  return promise;
}
