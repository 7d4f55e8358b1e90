import { join } from "node:path";
import { newRooms } from "../chat.ts";
import type { Lab } from "../lab.ts";
import { newPlayer } from "../player.ts";
import { Durations } from "../quantiles.ts";
import type { Measure } from "./measure.ts";

const HOSTILE = join(import.meta.dir, "../hostile.ts");
const PAUSE_MS = 10;
const ALONE_MS = 3_000;
const MOST_MS = 60_000;
const TIMEOUT_MS = 5_000;

/** What others in the room notice of somebody who floods it, or comes and goes all the time. */
export const chatAbuse: Measure = async (lab) => {
  const server = await lab.serve({
    dataDir: await lab.folder(),
    args: ["--no-worker"],
    // Messages are limited as they are by default; the one who is measured says less than that.
    env: { CHAT_GUESTS: "on", RATE_LIMIT_MESSAGES: "200/1s" },
  });
  await newRooms(server.url, 1);
  const { token } = await newPlayer(server.url, "bench_victim");
  const alone = await roundTrips(server.port, token, Bun.sleep(ALONE_MS));
  const rows = [];
  for (const mode of ["connects", "flood"]) {
    const beside = await roundTrips(server.port, token, hostile(lab, mode, server.port));
    rows.push({
      name: `p99 of a message's round trip beside ${mode === "flood" ? "10,000 frames/s" : "2,000 quick connects"}`,
      unit: "ms" as const,
      measured: beside.quantile(0.99),
      limit: { what: "alone", value: alone.quantile(0.99) },
      goal: { most: 50 },
    });
  }
  return rows;
};

async function hostile(lab: Lab, mode: string, port: number): Promise<void> {
  const { process: child } = await lab.spawn([process.execPath, HOSTILE, mode, String(port)]);
  await Promise.race([child.exited, Bun.sleep(MOST_MS)]);
  if (child.exitCode !== 0) throw new Error(`the hostile process ended with ${child.exitCode}`);
}

/** Says something every few milliseconds and waits to hear it, until `end`. */
async function roundTrips(port: number, token: string, end: Promise<void>): Promise<Durations> {
  const durations = new Durations();
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/join-room/1`, {
    headers: { Authorization: `Bearer ${token}` },
  });
  let heard: (text: string) => void = () => {};
  socket.onmessage = ({ data }) => heard(String(data));
  await new Promise((resolve) => socket.addEventListener("open", resolve));
  let isOver = false;
  void end.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    const text = crypto.randomUUID();
    const said = Promise.withResolvers<void>();
    heard = (frame) => frame.includes(text) && said.resolve();
    const startedAt = performance.now();
    socket.send(text);
    await Promise.race([said.promise, late()]);
    durations.add(performance.now() - startedAt);
    await Bun.sleep(PAUSE_MS);
  }
  await end;
  socket.close();
  return durations;
}

const late = async (): Promise<never> => {
  await Bun.sleep(TIMEOUT_MS);
  throw new Error("a message was not told in time");
};
