import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { connect } from "amqplib";
import { startBroker } from "../../test/support/rabbitmq.ts";
import { S3_CREDENTIALS, storedKeys } from "../../test/support/s3.ts";
import type { Lab } from "../lab.ts";
import type { Findings } from "./findings.ts";
import { ENVIRONMENT, freePort, SERVER_READY, type Site, WORKER_READY } from "./site.ts";
import { brokerTarget, processTarget } from "./target.ts";

const BUCKET = "stats";
const SECRET = "the same secret on every node, of 32 bytes or more";
const NODES = 2;
const QUEUES = ["guildhall.jobs.v1", "guildhall.jobs.v1.dead"];

/** Two servers and two workers on a libSQL server, RabbitMQ and S3, each in a process of its own. */
export async function scaledSite(lab: Lab, root: string, folder: string, findings: Findings): Promise<Site> {
  const databaseFile = join(folder, "remote.db");
  const [databasePort, storePort] = [freePort(), freePort()];
  const objects = join(folder, "objects");
  await mkdir(objects);
  const broker = await startBroker();
  lab.onClose(() => broker.close());
  const env = {
    ...ENVIRONMENT,
    DATABASE_URL: `http://127.0.0.1:${databasePort}`,
    JWT_SECRET: SECRET,
    AMQP_URL: broker.url,
    S3_BUCKET: BUCKET,
    S3_ENDPOINT: `http://127.0.0.1:${storePort}`,
    S3_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: S3_CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: S3_CREDENTIALS.secretAccessKey,
  };
  const services = { lab, findings, env: {}, ready: /ready/, isOurs: false, weight: 1 };
  const database = processTarget({
    ...services,
    name: "database",
    command: [
      process.execPath,
      join(import.meta.dir, "database-process.ts"),
      databaseFile,
      String(databasePort),
    ],
  });
  const store = processTarget({
    ...services,
    name: "store",
    command: [
      process.execPath,
      join(import.meta.dir, "store-process.ts"),
      objects,
      String(storePort),
      BUCKET,
    ],
  });
  const ports = Array.from({ length: NODES }, freePort);
  const ours = { lab, findings, env, isOurs: true, weight: 1.5 };
  const program = [process.execPath, join(root, "src/main.ts")];
  const at = (name: string) => ["--data-dir", join(folder, name)];
  const servers = ports.map((port, index) => {
    const name = `server-${index + 1}`;
    const command = [...program, "serve", "--no-worker", "--port", String(port), ...at(name)];
    return processTarget({ ...ours, name, command, ready: SERVER_READY });
  });
  const workers = ports.map((_, index) => {
    const name = `worker-${index + 1}`;
    return processTarget({
      ...ours,
      name,
      command: [...program, "worker", ...at(name)],
      ready: WORKER_READY,
    });
  });
  const s3 = new S3Client({
    endpoint: env.S3_ENDPOINT,
    region: env.S3_REGION,
    credentials: S3_CREDENTIALS,
    forcePathStyle: true,
  });
  lab.onClose(async () => s3.destroy());

  return {
    nodes: ports.map((port) => `http://127.0.0.1:${port}`),
    targets: [database, store, brokerTarget(broker, 0.7), ...servers, ...workers],
    processes: [...servers, ...workers],
    databaseFile,
    command: (...words) => [...program, ...words, ...at("shell")],
    env,
    sharedNodes: NODES,
    listObjects: () => storedKeys(objects, BUCKET),
    async readObject(key) {
      try {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
        return (await Body?.transformToByteArray()) ?? null;
      } catch (error) {
        if (error instanceof Error && error.name === "NoSuchKey") return null;
        throw error;
      }
    },
    // What S3 keeps of a put that was cut off is the object store's affair.
    leftovers: async () => [],
    ageLeftovers: async () => {},
    async queueDepths() {
      const connection = await connect(broker.url);
      connection.on("error", () => {});
      try {
        const channel = await connection.createChannel();
        const depths: Record<string, number> = {};
        for (const queue of QUEUES) depths[queue] = (await channel.checkQueue(queue)).messageCount;
        return depths;
      } finally {
        await connection.close();
      }
    },
  };
}
