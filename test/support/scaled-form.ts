import { join } from "node:path";
import { eventually } from "../adapters/eventually.ts";
import { type BrokerProxy, startProxy } from "../adapters/proxy.ts";
import { startBroker } from "./rabbitmq.ts";
import { S3_CREDENTIALS, startS3 } from "./s3.ts";
import {
  type RunningProcess,
  type RunningServer,
  startServer,
  startWorker,
  temporaryFolder,
} from "./server.ts";

const TOKEN = "database token";
const DATABASE = join(import.meta.dir, "../db/child-hrana.ts");

/** Nodes and workers of one community on a libSQL server, RabbitMQ and S3, each in a process of its own. */
export type ScaledForm = {
  /** The way to the broker, which can be cut and frozen. */
  readonly way: BrokerProxy;
  /** What all of them are told. */
  readonly env: Record<string, string>;
  /** Where the libSQL server keeps the database. */
  readonly databaseFile: string;
  /** `serve --no-worker`; with the same name and port it is the same node again. */
  node(name: string, options?: { env?: Record<string, string>; port?: string }): Promise<RunningServer>;
  worker(name: string, env?: Record<string, string>): Promise<RunningProcess>;
  close(): Promise<void>;
};

export async function startScaledForm(settings: Record<string, string> = {}): Promise<ScaledForm> {
  const folder = temporaryFolder();
  const running = new Set<RunningProcess>();
  const [broker, s3] = await Promise.all([startBroker(), startS3(["stats"])]);
  const way = await startProxy(broker.port);
  const databaseFile = join(folder.path, "remote.db");
  const database = Bun.spawn([process.execPath, DATABASE, databaseFile, TOKEN], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const { value: printed } = await database.stdout.getReader().read();
  const shared = {
    DATABASE_URL: new TextDecoder().decode(printed).trim(),
    DATABASE_AUTH_TOKEN: TOKEN,
    JWT_SECRET: "the same secret on every node, of 32 bytes or more",
    AMQP_URL: `amqp://guest:guest@127.0.0.1:${way.port}`,
    S3_BUCKET: "stats",
    S3_ENDPOINT: s3.endpoint,
    AWS_ACCESS_KEY_ID: S3_CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: S3_CREDENTIALS.secretAccessKey,
    ...settings,
  };

  function kept<T extends RunningProcess>(started: T): T {
    running.add(started);
    void started.exited.then(() => running.delete(started));
    return started;
  }

  return {
    way,
    env: shared,
    databaseFile,

    async node(name, { env = {}, port = "0" } = {}) {
      const dataDir = join(folder.path, name);
      const node = kept(
        await startServer({ dataDir, env: { ...shared, PORT: port, ...env }, args: ["--no-worker"] }),
      );
      await eventually(async () => (await node.call("GET", "/readyz")).status === 200, 30_000, 50);
      return node;
    },

    async worker(name, env = {}) {
      return kept(await startWorker({ dataDir: join(folder.path, name), env: { ...shared, ...env } }));
    },

    async close() {
      for (const process of running) process.kill("SIGKILL");
      await Promise.all([...running].map((process) => process.exited));
      database.kill("SIGKILL");
      await way.shut();
      await Promise.all([database.exited, s3.close(), broker.close()]);
      await folder.remove();
    },
  };
}
