import { join } from "node:path";
import { available, startBroker } from "../../test/support/rabbitmq.ts";
import { joinPath, newRooms, publishedBytes } from "../chat.ts";
import type { Lab, Server } from "../lab.ts";
import { newPlayer } from "../player.ts";
import type { Row } from "../row.ts";
import type { Measure } from "./measure.ts";

const CONNECTIONS = 64;
const READERS = 400;
const SPEAKERS = 8;
const TEXT = "A message of a usual length, as people write them in rooms.";
const TOKEN = "database token";
const DATABASE = join(import.meta.dir, "../../test/db/child-hrana.ts");
const LOAD = { warmUpMs: 700, measureMs: 3_000 };
const START_MS = 10_000;
// The database server, the broker, the nodes and the load share the machine's cores, so that a second node can be slower.
const SHARED = "the same cores";

/** One node and two on a libSQL server (that of the tests, which is no fast one) and RabbitMQ. */
export const nodes: Measure = async (lab) => {
  if (!available()) return [];
  const broker = await startBroker();
  lab.onClose(() => broker.close());
  const database = await startDatabase(lab);
  const recorder = startRecorder(database);
  lab.onClose(() => recorder.close());
  const env = {
    DATABASE_AUTH_TOKEN: TOKEN,
    JWT_SECRET: "the same secret on every node, of 32 bytes or more",
    AMQP_URL: broker.url,
    CHAT_GUESTS: "on",
  };
  const serve = async (url: string) =>
    lab.serve({ dataDir: await lab.folder(), args: ["--no-worker"], env: { ...env, DATABASE_URL: url } });

  const recorded = await serve(recorder.url);
  const player = await newPlayer(recorded.url, "bench_reader");
  await newRooms(recorded.url, 1);
  const body = JSON.stringify({ content: TEXT });
  const read = requestOf(`GET /api/users/me`, player.token);
  const write = requestOf(`POST /ws/rooms/1/messages`, player.token, body);
  const statementOf = (method: string, path: string, marked: string) =>
    recorder.during(marked, () =>
      ask(recorded.url, method, path, player.token, method === "POST" ? body : null),
    );
  const reading = await statementOf("GET", "/api/users/me", "sessions");
  const writing = await statementOf("POST", "/ws/rooms/1/messages", TEXT);
  const answer = await ask(recorded.url, "GET", "/api/users/me", player.token, null);
  await recorded.stop();

  const bare = await lab.serveBare(answer.length);
  const bareReads = await rate(lab, [bare], read);
  await bare.stop();
  const bareSockets = await lab.serveBareSockets(publishedBytes(TEXT), 20);
  const bareFanOut = await deliveries(lab, [bareSockets]);
  await bareSockets.stop();
  const asked = { port: Number(new URL(database).port) };
  const databaseReads = await rate(lab, [asked], reading);
  const databaseWrites = await rate(lab, [asked], writing);

  const one = [await serve(database)];
  const figures = [await measured(lab, one, read, write)];
  const two = [...one, await serve(database)];
  figures.push(await measured(lab, two, read, write));
  return figures.flatMap(({ reads, writes, fanOut }, index): Row[] => {
    const name = index === 0 ? "one node" : `two nodes, ${SHARED}`;
    const row = (what: string, value: number, limit: string, most: number): Row => ({
      name: `${name}: ${what}`,
      unit: "/s",
      measured: value,
      limit: { what: limit, value: most },
      goal: null,
    });
    return [
      row(`signed-in reads, ${CONNECTIONS} connections`, reads, "constant Bun.serve", bareReads),
      row("  the same", reads, "the database server, same statement", databaseReads),
      row(
        `messages over REST, ${CONNECTIONS} connections`,
        writes,
        "the database server, same statement",
        databaseWrites,
      ),
      row(`deliveries in a room of ${READERS}`, fanOut, "bare server.publish", bareFanOut),
    ];
  });
};

async function measured(lab: Lab, servers: readonly Server[], read: string, write: string) {
  return {
    reads: await rate(lab, servers, read),
    writes: await rate(lab, servers, write),
    fanOut: await deliveries(lab, servers),
  };
}

type Port = Pick<Server, "port">;

/** Answers per second of all of them, which share the connections. */
async function rate(lab: Lab, servers: readonly Port[], request: string): Promise<number> {
  const connections = CONNECTIONS / servers.length;
  const loads = servers.map(({ port }) => lab.load({ ...LOAD, port, connections, request }));
  return sum(await Promise.all(loads.map(async ({ result }) => (await result).perSecond)));
}

/** What arrives per second at all readers of one room, who are spread over the servers. */
async function deliveries(lab: Lab, servers: readonly Port[]): Promise<number> {
  const each = READERS / servers.length;
  const speakers = Array.from({ length: SPEAKERS / servers.length }, (_, at) => at);
  const loads = servers.map(({ port }, server) => {
    const paths = Array.from({ length: each }, (_, person) => joinPath(1, server * each + person));
    return lab.sockets({ ...LOAD, port, paths, speakers, text: TEXT, unanswered: 16 });
  });
  return sum(await Promise.all(loads.map(async ({ result }) => (await result).deliveriesPerSecond)));
}

const sum = (figures: readonly number[]): number => figures.reduce((all, one) => all + one, 0);

async function startDatabase(lab: Lab): Promise<string> {
  const file = join(await lab.folder(), "remote.db");
  const process = await lab.spawn([globalThis.process.execPath, DATABASE, file, TOKEN, "durable"]);
  for (const deadline = performance.now() + START_MS; performance.now() < deadline; await Bun.sleep(10)) {
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(await process.output())?.[0];
    if (url !== undefined) return url;
  }
  throw new Error("the database server did not start");
}

/** Stands before the database server and remembers what it was asked. */
function startRecorder(database: string) {
  const bodies: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const body = await request.text();
      bodies.push(body);
      const { pathname } = new URL(request.url);
      return fetch(database + pathname, { method: request.method, headers: request.headers, body });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    /** The last thing with this mark that was asked for meanwhile, as a request for the load generator. */
    async during(mark: string, act: () => Promise<unknown>): Promise<string> {
      bodies.length = 0;
      await act();
      const body = bodies.findLast((text) => text.includes(mark));
      if (body === undefined) throw new Error(`the database was not asked for ${mark}`);
      return requestOf("POST /v2/pipeline", TOKEN, body);
    },
    close: () => server.stop(true),
  };
}

function requestOf(line: string, token: string, body: string | null = null): string {
  const sent =
    body === null ? "" : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
  return `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n${sent}\r\n${body ?? ""}`;
}

async function ask(
  url: string,
  method: string,
  path: string,
  token: string,
  body: string | null,
): Promise<string> {
  const response = await fetch(url + path, {
    method,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body,
  });
  if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}`);
  return response.text();
}
