import { join } from "node:path";
import { openDatabase } from "../db/open.ts";
import { inProcessBus } from "./adapters/bus/in-process.ts";
import { partingBus } from "./adapters/bus/parting.ts";
import { fileDocuments } from "./adapters/documents/files.ts";
import { outboxMailer } from "./adapters/mail/outbox.ts";
import { prometheusMetrics } from "./adapters/metrics/prometheus.ts";
import { argon2Passwords } from "./adapters/passwords/argon2.ts";
import { embeddedQueue } from "./adapters/queue/embedded.ts";
import { migrateSafely } from "./backups/before-migration.ts";
import { placeOf } from "./backups/place.ts";
import { record } from "./backups/record.ts";
import type { Config } from "./config.ts";
import type { Secrets } from "./data-dir.ts";
import { derivedKeys, jwtSecretsOf } from "./derived-keys.ts";
import type { Bus, Core, DocumentStore, JobQueue, Mailer } from "./domain/core.ts";
import * as mails from "./domain/mails.ts";
import { createTokens } from "./domain/tokens.ts";
import type { Log } from "./log.ts";
import { version } from "./version.ts";

/**
 * `serve` has its worker in the same process; a `worker` of its own hears no nudge without a broker. A `tool` makes no
 * documents, so it opens no bucket, and a broker only to say at its end that it changed something.
 */
export type Role = "serve" | "worker" | "tool";

/** For the route that serves signed document links; null when another server does. */
export type VerifyLink = ((key: string, expires: string, signature: string, now: number) => boolean) | null;

export type Composition = {
  readonly core: Core;
  readonly verifyLink: VerifyLink;
  close(): Promise<void>;
};

export type ComposeOptions = {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly log: Log;
  readonly role: Role;
  /** Asked for when a link is made: the port may not be known before. */
  readonly publicUrl: () => string;
};

// A worker beside a server on a file database, and any on a remote one: nothing tells it of others' tasks.
const WORKER_POLL_MS = 250;
const MAILS_GRACE_MS = 1_000;

/** Chooses the adapters, opens them and brings the database up to date. */
export async function compose({
  config,
  secrets,
  log,
  role,
  publicUrl,
}: ComposeOptions): Promise<Composition> {
  const clock = Date.now;
  const jwtSecrets = jwtSecretsOf(config, secrets);
  // The short commands are not watched.
  const metrics = prometheusMetrics({ version, ofProcess: role !== "tool" });
  const db = await openDatabase(config.databaseUrl, {
    authToken: config.databaseAuthToken ?? undefined,
    onCommit: metrics.committed,
  });
  try {
    const { applied, backup } = await migrateSafely(
      db,
      config.backups.beforeMigration ? placeOf(config) : null,
      log,
    );
    if (applied.length > 0) log.info({ migrations: applied }, "database brought up to date");
    const { documents, verifyLink } = await openDocuments();
    const queue = await openQueue();
    const bus = await openBus();
    const mailer = await openMailer();
    const core: Core = {
      db,
      queue,
      bus,
      documents,
      mailer,
      nudgeMails: () => sender?.nudge(),
      passwords: argon2Passwords(),
      tokens: createTokens(jwtSecrets),
      clock,
      sleep: Bun.sleep,
      log,
      metrics,
      settings: {
        publicUrl,
        registration: config.registration,
        limitSignIns: config.limits !== null,
        limitMessages: config.limitMessages,
        chatGuests: config.chatGuests,
        keptMs: config.keptMs,
        sealingKeys: derivedKeys(jwtSecrets, "waiting mails"),
      },
    };
    if (backup !== null) await record(core, backup);
    const sender = role === "serve" ? mails.createMailSender(core) : null;
    sender?.start();
    return {
      core,
      verifyLink,
      async close() {
        await queue.close();
        await bus.close();
        await sender?.stop(MAILS_GRACE_MS);
        await mailer.close();
        await db.close();
      },
    };
  } catch (error) {
    await db.close();
    throw error;
  }

  async function openMailer(): Promise<Mailer> {
    const from = config.mailFrom;
    if (config.smtpUrl === null)
      return outboxMailer({ directory: join(config.dataDir, "outbox"), from, clock });
    const { smtpMailer } = await import("./adapters/mail/smtp.ts");
    return smtpMailer({ url: config.smtpUrl, from });
  }

  async function openDocuments(): Promise<{ documents: DocumentStore; verifyLink: VerifyLink }> {
    if (config.s3 !== null && role !== "tool")
      return { documents: await openBucket(config.s3), verifyLink: null };
    const signingKeys = derivedKeys(jwtSecrets, "document links");
    const files = fileDocuments({
      directory: join(config.dataDir, "documents"),
      publicUrl,
      signingKeys,
      clock,
    });
    return { documents: files, verifyLink: files.verifyLink };
  }

  async function openQueue(): Promise<JobQueue> {
    if (config.amqpUrl === null || role === "tool") {
      const hearsAll = role !== "worker" && db.kind === "local";
      return embeddedQueue(hearsAll ? { log } : { log, pollMs: WORKER_POLL_MS });
    }
    const { rabbitmqQueue } = await import("./adapters/queue/rabbitmq.ts");
    return rabbitmqQueue({ url: config.amqpUrl, log });
  }

  /**
   * Servers tell each other; a tool tells them what it did, unless they see it by the file that they share. A worker
   * has nothing to say.
   */
  async function openBus(): Promise<Bus> {
    if (config.amqpUrl === null || role === "worker") return inProcessBus({ log });
    if (role === "tool") {
      return db.kind === "local" ? inProcessBus({ log }) : partingBus({ url: config.amqpUrl, log });
    }
    const { rabbitmqBus } = await import("./adapters/bus/rabbitmq.ts");
    return rabbitmqBus({ url: config.amqpUrl, log });
  }
}

/** Loaded only where it is used: the SDK is most of the start's time. */
export async function openBucket(s3: NonNullable<Config["s3"]>): Promise<DocumentStore> {
  const { s3Documents } = await import("./adapters/documents/s3.ts");
  return s3Documents(s3);
}
