import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, rename, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Clock, Mail, Mailer } from "../../domain/core.ts";
import { leftoverSweep } from "../folder/leftovers.ts";
import { messageOf } from "./message.ts";

export type OutboxOptions = {
  readonly directory: string;
  /** `name <address>` or an address alone. */
  readonly from: string;
  readonly clock: Clock;
};

// RFC 5322, section 2.1.1: a line that is not encoded has at most so many bytes.
const MAX_LINE_BYTES = 998;

/** Mails as files in one folder, for who has no SMTP server: an .eml file opens in every mail program. */
export function outboxMailer(options: OutboxOptions): Mailer {
  const directory = resolve(options.directory);

  const sweep = leftoverSweep(directory);

  async function prepare(): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await sweep();
  }

  return {
    async send(mail) {
      const at = new Date(options.clock());
      const bytes = await compile(mail, options.from, at);
      const time = at.toISOString().replaceAll(/[-:.]/g, "");
      await prepare();
      await writeWhole(directory, `${time}-${randomBytes(8).toString("hex")}.eml`, bytes);
    },

    async check() {
      await prepare();
      const probe = `.${randomBytes(8).toString("hex")}.probe`;
      await writeWhole(directory, probe, Buffer.from("ok"));
      await unlink(join(directory, probe));
    },

    async close() {},
  };
}

async function compile(mail: Mail, from: string, date: Date): Promise<Buffer> {
  const message = messageOf(mail, from);
  const { createTransport } = await import("nodemailer");
  const transport = createTransport({ streamTransport: true, buffer: true, newline: "windows" });
  const { message: bytes } = await transport.sendMail({ ...message, date, text: readableText(message.text) });
  if (!Buffer.isBuffer(bytes)) throw new Error("The mail was not built.");
  return bytes;
}

/** Unencoded, so that a link can be copied out of the file with any editor. */
function readableText(text: string) {
  if (text.split("\n").some((line) => Buffer.byteLength(line) > MAX_LINE_BYTES)) return text;
  const header = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
  return { raw: header + text };
}

/** The whole file or none: it gets its name when it is complete. No mail's name begins with a dot. */
async function writeWhole(directory: string, name: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(directory, `.${name}.tmp`);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(directory, name));
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
  await syncDirectory(directory);
}

async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
