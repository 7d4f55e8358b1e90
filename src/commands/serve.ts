import { createProducer, type Producer } from "../../worker/produce.ts";
import { createRenderers } from "../../worker/renderer.ts";
import { SOCKET_OPTIONS } from "../apis/chat/sockets.ts";
import { type App, createApp } from "../app.ts";
import { placeOf } from "../backups/place.ts";
import { createSchedule, type Schedule } from "../backups/schedule.ts";
import { type Composition, compose } from "../compose.ts";
import { type Config, type Flags, loadSettings, localUrl } from "../config.ts";
import { lockServer, prepareDataDir } from "../data-dir.ts";
import { createHousekeeping, type Housekeeping } from "../domain/housekeeping.ts";
import * as roles from "../domain/roles.ts";
import * as tasks from "../domain/tasks.ts";
import { createAddressOf } from "../http/address.ts";
import { createOrigins } from "../http/origins.ts";
import { openLog } from "../log.ts";
import { CommandError } from "../run.ts";
import { banner } from "./banner.ts";
import { onStop } from "./stop.ts";

// Above the limit of every API, which then answer in their own shape; beyond it Bun closes with a bare 413.
const MAX_REQUEST_BYTES = 64 * 1024 * 1024;
// Longer than a sign-in may be made to wait.
const IDLE_TIMEOUT_SECONDS = 60;
// Together below the 10 s after which the system's patience ends.
const REQUESTS_GRACE_MS = 3_000;
const JOBS_GRACE_MS = 5_000;

/** Starts the server and its worker; resolves when it listens. */
export async function serve(flags: Flags): Promise<void> {
  const { config, warnings } = loadSettings(flags);
  const { log, logRequest } = await openLog({ level: config.logLevel, format: config.logFormat });
  for (const warning of warnings) log.warn(warning);
  const addressOf = createAddressOf(config.trustProxy);
  const secrets = await prepareDataDir(config.dataDir);
  const lock = lockServer(config.dataDir);
  if (lock === null) {
    throw new CommandError(
      `Another server already runs on ${config.dataDir}. Stop it, or choose another DATA_DIR.`,
    );
  }

  let port = config.port;
  let stopping = false;
  let composition: Composition | undefined;
  let server: ReturnType<typeof listen> | undefined;
  let producer: Producer | undefined;
  let app: App | undefined;
  let housekeeping: Housekeeping | undefined;
  let backups: Schedule | undefined;
  // From here on: a stop may come before everything is there.
  onStop(log, async () => {
    stopping = true;
    // Ctrl-C reaches the process that makes a backup, too: that is no failure to tell administrators of.
    const unmade = backups?.stop();
    const halfDrainMs = app === undefined ? 0 : config.drainMs / 2;
    const jobs = producer?.stop(JOBS_GRACE_MS);
    // Until proxies have noticed and go elsewhere, everything is answered as ever.
    await Bun.sleep(halfDrainMs);
    // It begins with closing them, which is what the server waits for; the rest is a farewell to other nodes.
    const farewell = app?.closeSockets(halfDrainMs);
    await Bun.sleep(halfDrainMs);
    // Resets whoever connects in this moment, which nobody does any more who looked whether we are ready.
    const drained = server?.stop();
    const cut = setTimeout(() => server?.stop(true), REQUESTS_GRACE_MS);
    await Promise.all([drained, jobs, soon(farewell), unmade]);
    clearTimeout(cut);
    await Promise.all([app?.close(), housekeeping?.stop()]);
    await composition?.close();
    lock.release();
  });

  const publicUrl = () => config.publicUrl ?? localUrl(config.host, port);
  composition = await compose({ config, secrets, log, role: "serve", publicUrl });
  const { core, verifyLink } = composition;
  const owner = `${secrets.installationId}/serve`;
  // Whether it has a worker now or not: the predecessor may have had one.
  await tasks.releaseLeftBy(core, owner);

  // The port may be one that the system chooses, and our own origins are known only then.
  const { promise: answering, resolve: answer } = Promise.withResolvers<App>();
  server = listen(config, answering);
  port = server.port ?? port;
  const origins = createOrigins({
    publicUrl: publicUrl(),
    port,
    allowed: config.corsOrigins,
    host: config.host,
  });
  const made = createApp({
    core,
    origins,
    addressOf,
    verifyLink,
    topics: server,
    limits: config.limits,
    logRequest,
    metrics: { token: config.metricsToken },
    isStopping: () => stopping,
  });
  // Nothing is answered before: sockets must not be opened while it is not known where the log ends.
  await made.start();
  app = made;
  answer(made);

  if (config.workerConcurrency > 0) {
    const renderers = createRenderers(config.workerConcurrency, { log });
    producer = createProducer({ core, owner, renderers });
    await producer.start();
    // After listening, so that the first answer does not wait for it.
    renderers[0].warm();
  }
  housekeeping = createHousekeeping(core);
  housekeeping.start();
  const place = placeOf(config);
  if (place === null) log.info("no backups are made here: the database server's own are used");
  else if (config.backups.atMinute !== null) {
    backups = createSchedule({ core, place, atMinute: config.backups.atMinute });
    backups.start();
  }
  process.stdout.write(banner({ config, publicUrl: publicUrl(), hasAdmin: await roles.hasAdmin(core) }));
}

/** Waits for it, but not for long. */
const soon = (promise: Promise<void> | undefined) => Promise.race([promise, Bun.sleep(REQUESTS_GRACE_MS)]);

/** Who comes before the app is there waits for it: it is made when the port is known. */
function listen({ host, port }: Config, answering: Promise<App>) {
  let app: App | undefined;
  void answering.then((made) => {
    app = made;
  });
  try {
    return Bun.serve<unknown>({
      hostname: host,
      port,
      fetch: (request, server) =>
        app?.fetch(request, server) ?? answering.then((made) => made.fetch(request, server)),
      websocket: {
        ...SOCKET_OPTIONS,
        open: (socket) => app?.sockets.open(socket),
        message: (socket, frame) => app?.sockets.message(socket, frame),
        close: (socket, code) => app?.sockets.close(socket, code),
      },
      maxRequestBodySize: MAX_REQUEST_BYTES,
      idleTimeout: IDLE_TIMEOUT_SECONDS,
      development: false,
      // Said aloud: without development mode Bun shares the port with whoever else listens there.
      reusePort: false,
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(`Cannot listen on ${host}:${port}: ${reason}`);
  }
}
