import { onStop } from "../src/commands/stop.ts";
import { type Composition, compose } from "../src/compose.ts";
import { type Flags, loadSettings, localUrl } from "../src/config.ts";
import { lockWorker, prepareDataDir } from "../src/data-dir.ts";
import { openLog } from "../src/log.ts";
import { createProducer, type Producer } from "./produce.ts";
import { createRenderers } from "./renderer.ts";
import { tellStanding } from "./standing.ts";

const JOBS_GRACE_MS = 6_000;

/** A worker process: makes documents until it is told to end. */
export async function work(flags: Flags = {}): Promise<void> {
  const { config, warnings } = loadSettings(flags);
  const { log } = await openLog({ level: config.logLevel, format: config.logFormat });
  for (const warning of warnings) log.warn(warning);
  const secrets = await prepareDataDir(config.dataDir);
  const lock = lockWorker(config.dataDir);
  let composition: Composition | undefined;
  let producer: Producer | undefined;
  let standing: ReturnType<typeof tellStanding> | undefined;
  let stopping = false;
  // From here on: a stop may come before everything is there.
  onStop(log, async () => {
    stopping = true;
    await producer?.stop(JOBS_GRACE_MS);
    await standing?.stop(true);
    await composition?.close();
    lock.release();
  });

  const publicUrl = () => config.publicUrl ?? localUrl(config.host, config.port);
  composition = await compose({ config, secrets, log, role: "worker", publicUrl });
  const renderers = createRenderers(Math.max(config.workerConcurrency, 1), { log });
  const owner = `${secrets.installationId}/${lock.name}`;
  if (config.workerPort !== null) {
    standing = tellStanding({
      core: composition.core,
      host: config.host,
      port: config.workerPort,
      metricsToken: config.metricsToken,
      isStopping: () => stopping,
    });
  }
  producer = createProducer({ core: composition.core, owner, renderers });
  await producer.start();
  renderers[0].warm();
  log.info(
    { worker: lock.name, ...(standing === undefined ? {} : { port: standing.port }) },
    "the worker is ready",
  );
}
