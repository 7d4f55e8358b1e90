import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { and, eq, sql } from "drizzle-orm";
import { prepared } from "../../db/prepare.ts";
import { mails } from "../../db/schema.ts";
import type { Core, Keys } from "./core.ts";
import { newId } from "./ids.ts";
import { type MailText, write } from "./mail-texts.ts";

export type NewMail = {
  /** Of the account that it is to, with which it is deleted. */
  readonly accountUuid?: string;
  readonly to: string;
  /** BCP 47. */
  readonly language: string | null;
  readonly text: MailText;
};

/** Thrown by a Mailer: this mail will never be taken, so that there is no use in trying again. */
export class MailRefusedError extends Error {
  override readonly name = "MailRefusedError";
}

/** What is needed to have a mail sent, which a short command has too. */
export type Queueing = Pick<Core, "db" | "clock"> & {
  readonly settings: Pick<Core["settings"], "sealingKeys">;
};

/** The statement that has a mail sent; to be run in one batch with its cause. Then call `core.nudgeMails()`. */
export function queueing(core: Queueing, mail: NewMail) {
  const id = newId();
  const now = core.clock();
  return core.db.insert(mails).values({
    id,
    sealed: seal(core.settings.sealingKeys[0], id, mail),
    dueAt: now,
    createdAt: now,
    accountId: sql`(SELECT id FROM accounts WHERE uuid = ${mail.accountUuid ?? null})`,
  });
}

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Bound to the row's id, so that a sealed text is of no use in another row. */
function seal(key: Uint8Array, id: string, mail: NewMail): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(id));
  const text = Buffer.concat([cipher.update(JSON.stringify(mail), "utf8"), cipher.final()]);
  return Buffer.concat([nonce, text, cipher.getAuthTag()]).toString("base64url");
}

/** Null when it was sealed with none of these keys, or changed. */
function unseal(keys: Keys, id: string, sealed: string): NewMail | null {
  const bytes = Buffer.from(sealed, "base64url");
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
  for (const key of keys) {
    const mail = unsealWith(key, id, bytes);
    if (mail !== null) return mail;
  }
  return null;
}

function unsealWith(key: Uint8Array, id: string, bytes: Buffer): NewMail | null {
  try {
    const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES))
      .setAAD(Buffer.from(id))
      .setAuthTag(bytes.subarray(-TAG_BYTES));
    const text = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    // Nobody but `seal` can have made it.
    return JSON.parse(text.toString("utf8")) as NewMail;
  } catch {
    return null;
  }
}

// ---- Sending ----

export type SenderLimits = {
  /** Longer than a mailer takes for one mail. */
  readonly leaseMs: number;
  readonly maxAttempts: number;
  readonly sweepEveryMs: number;
  /** How long a mail waits after its nth failed try. */
  retryAfterMs(attempt: number): number;
};

const LIMITS: SenderLimits = {
  leaseMs: 2 * 60_000,
  // With the delays between them about an hour.
  maxAttempts: 20,
  sweepEveryMs: 30_000,
  // 2^n seconds up to five minutes, of which a half by chance, so that mails that failed together spread out.
  retryAfterMs: (attempt) => Math.min(2 ** attempt * 1000, 300_000) * (0.5 + Math.random() / 2),
};

// Never at once: a mail that another node just claimed would be asked for again and again.
const MIN_WAKE_MS = 20;
const MAX_REASON_CHARACTERS = 200;

export interface MailSender {
  /** Sends what is due, from now on until `stop`. */
  start(): void;
  /** There may be a mail to send. Does nothing before `start` and after `stop`; never throws. */
  nudge(): void;
  /** Begins no more mails and waits for the one being sent, at most so long: then its lease has to run out. */
  stop(graceMs: number): Promise<void>;
}

type Row = typeof mails.$inferSelect;

/** Sends waiting mails one after the other; any number of nodes may do so on one database. */
export function createMailSender(core: Core, given: Partial<SenderLimits> = {}): MailSender {
  const limits = { ...LIMITS, ...given };
  // Taken by the server, but the row is still there since the database failed just then.
  const sent = new Set<string>();
  let state: "new" | "running" | "stopped" = "new";
  let nudged = false;
  let round: Promise<void> | null = null;
  let wakeTimer: Timer | undefined;

  function nudge(): void {
    if (state !== "running") return;
    nudged = true;
    round ??= sendDue().finally(() => {
      round = null;
      if (nudged) nudge();
    });
  }

  async function sendDue(): Promise<void> {
    clearTimeout(wakeTimer);
    let waitMs = limits.sweepEveryMs;
    try {
      while (nudged) {
        nudged = false;
        for (let row = await claim(); row !== null; row = await claim()) await deliver(row);
      }
      const dueAt = await nextDueAt(core);
      if (dueAt !== null) waitMs = Math.min(dueAt - core.clock(), waitMs);
    } catch (error) {
      core.log.error({ err: error }, "waiting mails could not be read");
    }
    if (state === "running") wakeTimer = setTimeout(nudge, Math.max(waitMs, MIN_WAKE_MS));
  }

  async function claim(): Promise<Row | null> {
    if (state !== "running") return null;
    const now = core.clock();
    const [row] = await claimDue(core.db).all({ now, leaseEnd: now + limits.leaseMs });
    return row ?? null;
  }

  async function deliver(row: Row): Promise<void> {
    if (sent.has(row.id)) return finish(row);
    const mail = unseal(core.settings.sealingKeys, row.id, row.sealed);
    if (mail === null) return giveUp(row, null, "It cannot be unsealed: the secret has changed.");
    const { text } = mail;
    if ("expiresAt" in text && text.expiresAt <= core.clock()) {
      return giveUp(row, mail, `Its link expired. ${row.error ?? ""}`.trim());
    }
    // Its senders died with it.
    if (row.attempts > limits.maxAttempts) return giveUp(row, mail, row.error ?? "Each try was cut off.");
    try {
      await core.mailer.send({ to: mail.to, ...write(text, mail.language, core.settings.publicUrl()) });
    } catch (error) {
      const reason = reasonOf(error, mail.to);
      const last = error instanceof MailRefusedError || row.attempts >= limits.maxAttempts;
      return last ? giveUp(row, mail, reason) : putBack(row, mail, reason);
    }
    sent.add(row.id);
    core.metrics.count("mails", "sent");
    await finish(row);
    core.log.info({ ...facts(row, mail), ms: core.clock() - row.createdAt }, "mail sent");
  }

  async function finish(row: Row): Promise<void> {
    await core.db.delete(mails).where(eq(mails.id, row.id));
    sent.delete(row.id);
  }

  async function giveUp(row: Row, mail: NewMail | null, reason: string): Promise<void> {
    const deleted = await core.db.delete(mails).where(mine(row)).returning({ id: mails.id });
    if (deleted.length === 0) return;
    core.metrics.count("mails", "givenUp");
    core.log.error({ ...facts(row, mail), reason }, "a mail was given up");
  }

  async function putBack(row: Row, mail: NewMail, reason: string): Promise<void> {
    const dueAt = core.clock() + Math.round(limits.retryAfterMs(row.attempts));
    core.metrics.count("mails", "postponed");
    await core.db.update(mails).set({ dueAt, error: reason }).where(mine(row));
    core.log.warn({ ...facts(row, mail), reason }, "a try to send a mail failed");
  }

  return {
    start() {
      if (state === "new") state = "running";
      nudge();
    },
    nudge,
    async stop(graceMs) {
      state = "stopped";
      nudged = false;
      clearTimeout(wakeTimer);
      if (round === null) return;
      const grace = Promise.withResolvers<void>();
      const timer = setTimeout(grace.resolve, graceMs);
      await Promise.race([round, grace.promise]);
      clearTimeout(timer);
    },
  };
}

const claimDue = prepared((db) =>
  db
    .update(mails)
    .set({ dueAt: sql`${sql.placeholder("leaseEnd")}`, attempts: sql`attempts + 1` })
    .where(
      sql`id = (SELECT id FROM mails WHERE due_at <= ${sql.placeholder("now")} ORDER BY due_at, id LIMIT 1)`,
    )
    .returning()
    .prepare(),
);

const earliest = prepared((db) =>
  db
    .select({ dueAt: sql<number | null>`min(${mails.dueAt})` })
    .from(mails)
    .prepare(),
);

const nextDueAt = async (core: Core): Promise<number | null> =>
  (await earliest(core.db).get())?.dueAt ?? null;

/** Still as it was claimed: with another number of tries it is another node's. */
const mine = (row: Row) => and(eq(mails.id, row.id), eq(mails.attempts, row.attempts));

/** For the log, which is to hold neither the address nor what the mail links to. */
const facts = (row: Row, mail: NewMail | null) => ({
  mailId: row.id,
  attempt: row.attempts,
  ...(mail === null ? {} : { kind: mail.text.kind, domain: mail.to.slice(mail.to.lastIndexOf("@") + 1) }),
});

function reasonOf(error: unknown, to: string): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(to, "the recipient").slice(0, MAX_REASON_CHARACTERS);
}
