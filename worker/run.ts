import { onStop } from "../src/commands/stop.ts";
import { compose } from "../src/compose.ts";
import { type Flags, loadSettings } from "../src/config.ts";
import { lockWorker, prepareDataDir } from "../src/data-dir.ts";
import { openLog } from "../src/log.ts";
import { createProducer } from "./produce.ts";
import { createRenderers } from "./renderer.ts";

const JOBS_GRACE_MS = 6_000;

/** A worker process: makes documents until it is told to end. */
export async function work(flags: Flags = {}): Promise<void> {
  const { config, warnings } = loadSettings(flags);
  const { log } = await openLog({ level: config.logLevel, format: config.logFormat });
  for (const warning of warnings) log.warn(warning);
  const secrets = await prepareDataDir(config.dataDir);
  const lock = lockWorker(config.dataDir);
  const publicUrl = () => config.publicUrl ?? `http://${config.host}:${config.port}`;
  const { core, close } = await compose({ config, secrets, log, role: "worker", publicUrl });

  const owner = `${secrets.installationId}/${lock.name}`;
  const renderers = createRenderers(Math.max(config.workerConcurrency, 1), { log });
  const producer = createProducer({ core, owner, renderers });
  await producer.start();
  renderers[0].warm();
  log.info({ worker: lock.name }, "the worker is ready");

  onStop(log, async () => {
    await producer.stop(JOBS_GRACE_MS);
    await close();
    lock.release();
  });
}
