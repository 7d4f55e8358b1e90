import { availableParallelism } from "node:os";
import { z } from "zod";
import { insertsPerSecond } from "../durable.ts";
import type { Lab, Server } from "../lab.ts";
import type { Measure } from "./measure.ts";

const SIGN_INS = 8;
const REFRESHERS = 64;
const READERS = 64;
const MEASURE_MS = 4_000;
const HASHES = 60;
const LIMIT_MS = 1_500;
const PASSWORD = "Correct-Horse-1";
const NO_LIMITS = { RATE_LIMIT: "off" };

const Login = z.object({ access_token: z.string(), refresh_token: z.string() });

/** Sign-ins against the hash's own limit, refresh tokens that rotate, and `GET /api/users/me`. */
export const signIn: Measure = async (lab) => {
  const dataDir = await lab.folder();
  const server = await lab.serve({ dataDir, args: ["--no-worker"], env: NO_LIMITS });
  await post(server, "/api/auth/register", {
    email: "bench@example.com",
    password: PASSWORD,
    full_name: "Bench",
  });
  const hashes = await hashesPerSecond();
  const signIns = await lab.load({
    port: server.port,
    connections: SIGN_INS,
    request: request("POST /api/auth/login", { email: "bench@example.com", password: PASSWORD }),
    warmUpMs: 500,
    measureMs: MEASURE_MS,
  }).result;

  const sessions = [];
  for (let index = 0; index < REFRESHERS; index++) {
    const answer = await post(server, "/api/auth/login", { email: "bench@example.com", password: PASSWORD });
    sessions.push(Login.parse(await answer.json()));
  }
  const refreshes = await lab.load({
    port: server.port,
    connections: REFRESHERS,
    request: "",
    rotating: {
      path: "/api/auth/refresh",
      field: "refresh_token",
      first: sessions.map((session) => session.refresh_token),
    },
    warmUpMs: 1_000,
    measureMs: MEASURE_MS,
  }).result;

  const { me, bare } = await reads(lab, dataDir, server);
  return [
    {
      name: `sign-ins, ${SIGN_INS} connections`,
      unit: "/s",
      measured: signIns.perSecond,
      limit: { what: "verifications of the hash alone", value: hashes },
      goal: { leastRatio: 0.9 },
    },
    {
      name: `refreshes (durable, rotating), ${REFRESHERS} connections`,
      unit: "/s",
      measured: refreshes.perSecond,
      limit: { what: "bare SQLite, groups of 64", value: insertsPerSecond(dataDir, REFRESHERS, LIMIT_MS) },
      goal: { least: 10_000 },
    },
    { name: "  their 99th percentile", unit: "ms", measured: refreshes.p99Ms, limit: null, goal: null },
    {
      name: `GET /api/users/me with everything on, ${READERS} connections`,
      unit: "/s",
      measured: me.perSecond,
      limit: { what: "constant Bun.serve", value: bare.perSecond },
      goal: { leastRatio: 0.5 },
    },
  ];
};

/** With the limits counted, out of reach. */
async function reads(lab: Lab, dataDir: string, before: Server) {
  await before.stop();
  const server = await lab.serve({ dataDir, args: ["--no-worker"] });
  const answer = await post(server, "/api/auth/login", { email: "bench@example.com", password: PASSWORD });
  const { access_token } = Login.parse(await answer.json());
  const headers = `Host: 127.0.0.1\r\nAuthorization: Bearer ${access_token}\r\n`;
  const spec = {
    connections: READERS,
    request: `GET /api/users/me HTTP/1.1\r\n${headers}\r\n`,
    warmUpMs: 1_000,
    measureMs: MEASURE_MS,
  };
  const me = await lab.load({ ...spec, port: server.port }).result;
  const bare = await lab.serveBare(400);
  return { me, bare: await lab.load({ ...spec, port: bare.port }).result };
}

function request(line: string, body: object): string {
  const text = JSON.stringify(body);
  const length = `Content-Length: ${Buffer.byteLength(text)}`;
  return `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n${length}\r\n\r\n${text}`;
}

async function post(server: Server, path: string, body: object): Promise<Response> {
  const response = await fetch(server.url + path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path} was answered with ${response.status}: ${await response.text()}`);
  return response;
}

/** As many at a time as there are cores, with the server's own parameters. */
async function hashesPerSecond(): Promise<number> {
  const hash = await Bun.password.hash(PASSWORD, { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 });
  const startedAt = performance.now();
  let left = HASHES;
  const verifying = async () => {
    while (left-- > 0) await Bun.password.verify(PASSWORD, hash);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, verifying));
  return (HASHES * 1000) / (performance.now() - startedAt);
}
