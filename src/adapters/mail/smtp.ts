import { createTransport } from "nodemailer";
import SMTPPool from "nodemailer/lib/smtp-pool";
import type { Mailer } from "../../domain/core.ts";
import { messageOf } from "./message.ts";
import { asMailFailure } from "./smtp-failure.ts";
import { parseSmtpUrl } from "./smtp-url.ts";

export type SmtpOptions = {
  /** `smtp://` (STARTTLS when the server offers it) or `smtps://`; see smtp-url.ts. */
  readonly url: string;
  /** `name <address>` or an address alone. */
  readonly from: string;
  readonly limits?: Partial<Limits>;
};

type Limits = {
  readonly connectMs: number;
  readonly greetingMs: number;
  /** Of silence, within a connection. */
  readonly socketMs: number;
  /** One mail as a whole: a server that answers a byte at a time is never silent. */
  readonly sendMs: number;
};

const LIMITS: Limits = { connectMs: 10_000, greetingMs: 10_000, socketMs: 30_000, sendMs: 60_000 };

/**
 * Hands mails to an SMTP server over a few kept connections. `send` throws MailRefusedError when the server refuses
 * this mail for good, an Error for what may pass; neither message has a password or an address in it.
 * Throws for a URL that it cannot use.
 */
export function smtpMailer({ url, from, limits: given = {} }: SmtpOptions): Mailer {
  const limits = { ...LIMITS, ...given };
  const server = parseSmtpUrl(url);
  const pool = new SMTPPool({
    ...server,
    maxConnections: 2,
    // Only for a kept connection that turns out to be closed before a byte of the mail was sent.
    maxRequeues: 1,
    connectionTimeout: limits.connectMs,
    greetingTimeout: limits.greetingMs,
    dnsTimeout: limits.connectMs,
    socketTimeout: limits.socketMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const transport = createTransport(pool);
  const failure = (error: unknown) => asMailFailure(error, `${server.host}:${server.port}`);

  return {
    async send(mail) {
      const message = messageOf(mail, from);
      try {
        await transport.sendMail({ ...message, signal: AbortSignal.timeout(limits.sendMs) });
      } catch (error) {
        throw failure(error);
      }
    },

    async check() {
      try {
        await transport.verify();
      } catch (error) {
        throw failure(error);
      }
    },

    async close() {
      pool.close({ force: true });
    },
  };
}
