import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { eventually } from "../adapters/eventually.ts";
import { startHranaServer } from "../support/hrana-server.ts";
import { available, type Broker, startBroker } from "../support/rabbitmq.ts";
import { S3_CREDENTIALS, startS3 } from "../support/s3.ts";
import { type RunningProcess, startServer, startWorker, temporaryFolder } from "../support/server.ts";
import { ask, download, signUp } from "../support/walk.ts";

const SECRET = "the same secret on every node, of 32 bytes or more";

let folder: ReturnType<typeof temporaryFolder>;
const running = new Set<RunningProcess>();
const closing: (() => Promise<unknown>)[] = [];

beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(async () => {
  for (const process of running) process.kill("SIGKILL");
  await Promise.all([...running].map((process) => process.exited));
  running.clear();
  for (const close of closing.splice(0).reverse()) await close();
  await folder.remove();
});

async function broker(): Promise<Broker> {
  const started = await startBroker();
  closing.push(() => started.close());
  return started;
}

async function serve(env: Record<string, string>, ...args: string[]) {
  const server = await startServer({ dataDir: join(folder.path, `node-${running.size}`), env, args });
  running.add(server);
  return server;
}

async function work(env: Record<string, string>) {
  const worker = await startWorker({ dataDir: join(folder.path, `node-${running.size}`), env });
  running.add(worker);
  return worker;
}

describe.skipIf(!available())("RabbitMQ", () => {
  test("broker stopped, tasks accepted, broker started: all DONE", async () => {
    const mq = await broker();
    const env = {
      AMQP_URL: mq.url,
      DATABASE_URL: `file:${join(folder.path, "shared.db")}`,
      JWT_SECRET: SECRET,
    };
    const server = await serve({ ...env, WORKER_CONCURRENCY: "2" });
    const token = await signUp(server, "subject");
    await download(server, token, await ask(server, token, "subject"));

    await mq.stop();
    const ids = await Promise.all(Array.from({ length: 20 }, () => ask(server, token, "subject")));
    await eventually(async () => (await server.call("GET", "/readyz")).status === 503);
    const ready = await server.call("GET", "/readyz");
    expect([ready.status, ready.body.checks.queue.state, ready.body.checks.database.state]).toEqual([
      503,
      "down",
      "up",
    ]);
    await mq.start();
    await Promise.all(ids.map((id) => download(server, token, id, 40_000)));
    expect(await server.stop()).toBe(0);
    expect(server.output()).not.toContain("guest:");
  }, 120_000);
});

describe.skipIf(!available())(
  "the scaled form: libSQL server, RabbitMQ, S3, two API nodes and two workers",
  () => {
    test("a task that one node accepts is made by some worker and read through the other node", async () => {
      const mq = await broker();
      const s3 = await startS3(["stats"]);
      closing.push(() => s3.close());
      const database = await startHranaServer(join(folder.path, "remote.db"), "database token");
      closing.push(async () => database.close());
      const env = {
        DATABASE_URL: database.url,
        DATABASE_AUTH_TOKEN: "database token",
        JWT_SECRET: SECRET,
        AMQP_URL: mq.url,
        S3_BUCKET: "stats",
        S3_ENDPOINT: s3.endpoint,
        AWS_ACCESS_KEY_ID: S3_CREDENTIALS.accessKeyId,
        AWS_SECRET_ACCESS_KEY: S3_CREDENTIALS.secretAccessKey,
      };
      const first = await serve(env, "--no-worker");
      const second = await serve(env, "--no-worker");
      const workers = [await work(env), await work(env)];
      const token = await signUp(first, "subject");
      const ids = await Promise.all(Array.from({ length: 10 }, () => ask(first, token, "subject")));
      const documents = await Promise.all(ids.map((id) => download(second, token, id, 40_000)));
      for (const pdf of documents) expect(Buffer.from(pdf.slice(0, 5)).toString()).toBe("%PDF-");
      const task = await second.call("GET", `/api/stats/tasks/${ids[0]}`, { token });
      const url = new URL(task.body.result.document_url);
      expect(url.origin).toBe(new URL(s3.endpoint).origin);
      expect(url.pathname).toEndWith(`/stats-${ids[0]}.pdf`);
      expect(url.searchParams.get("X-Amz-Expires")).toBe("900");

      const ready = await first.call("GET", "/readyz");
      expect([ready.status, ready.body.status]).toEqual([200, "ready"]);
      await s3.stop();
      // What was found is kept for a second.
      await eventually(async () => (await first.call("GET", "/readyz")).status === 503);
      const down = await first.call("GET", "/readyz");
      expect([down.status, down.body.checks.documents.state]).toEqual([503, "down"]);
      await s3.start();
      for (const process of [first, second, ...workers]) expect(await process.stop()).toBe(0);
    }, 120_000);
  },
);

test("a remote database without a JWT_SECRET is refused: every node needs the same one", async () => {
  const starting = startServer({ dataDir: folder.path, env: { DATABASE_URL: "http://127.0.0.1:1" } });
  await expect(starting).rejects.toThrow("JWT_SECRET: must be set with a remote DATABASE_URL");
});
