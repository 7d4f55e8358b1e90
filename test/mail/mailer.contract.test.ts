import { afterEach, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { outboxMailer } from "../../src/adapters/mail/outbox.ts";
import { smtpMailer } from "../../src/adapters/mail/smtp.ts";
import type { Mailer } from "../../src/domain/core.ts";
import { MailRefusedError } from "../../src/domain/mails.ts";
import { type ParsedMail, parseMail, startSmtp } from "../support/smtp.ts";

const FROM = "Guildhall <no-reply@guildhall.test>";

type Opened = {
  readonly mailer: Mailer;
  /** What was handed over, oldest first. */
  taken(): Promise<ParsedMail[]>;
  /** From now on nothing can be handed over. */
  break(): Promise<void>;
  close(): Promise<void>;
};

const implementations = [
  { name: "outboxMailer", open: openOutbox },
  { name: "smtpMailer", open: openSmtp },
];

const MAIL = { to: "ann@example.org", subject: "Hello", text: "Hello Ann", html: "<p>Hello Ann</p>" };

describe.each(implementations)("$name keeps the promises of a Mailer", ({ open }) => {
  let opened: Opened | undefined;

  async function start(): Promise<Opened> {
    opened = await open();
    return opened;
  }
  afterEach(async () => {
    await opened?.close();
    opened = undefined;
  });

  const valuesOf = (mail: ParsedMail | undefined, name: string) =>
    mail?.headers.filter((header) => header[0] === name).map((header) => header[1]);

  test("hands over subject, text, HTML, sender and recipient as they are", async () => {
    const { mailer, taken } = await start();
    const text = `Здравствуйте 👋\n\nhttps://guildhall.test/reset-password?token=${"a=b.".repeat(40)}\n.\n..end`;
    const html = `<p style="margin:0">Здравствуйте &amp; hello = ${"long ".repeat(300)}</p>\n`;
    await mailer.send({ to: "ann@example.org", subject: "Новый пароль для Guildhall: 100 %", text, html });
    const [mail, ...others] = await taken();
    expect(others).toEqual([]);
    expect(mail?.subject).toBe("Новый пароль для Guildhall: 100 %");
    expect(mail?.text.replaceAll("\r\n", "\n").trimEnd()).toBe(text);
    expect(mail?.html.replaceAll("\r\n", "\n").trimEnd()).toBe(html.trimEnd());
    expect(valuesOf(mail, "from")).toEqual([FROM]);
    expect(valuesOf(mail, "to")).toEqual(["ann@example.org"]);
    expect(valuesOf(mail, "auto-submitted")).toEqual(["auto-generated"]);
    expect(valuesOf(mail, "date")).toHaveLength(1);
  });

  test("takes the same mail again, with the same Message-ID, and another with another", async () => {
    const { mailer, taken } = await start();
    await mailer.send(MAIL);
    await mailer.send(MAIL);
    await mailer.send({ ...MAIL, text: "Hello Ann, again" });
    const ids = (await taken()).map((mail) => valuesOf(mail, "message-id")?.[0]).sort();
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^<[0-9a-f]+@guildhall\.test>$/);
  });

  test("hands over each of many mails that are sent at once", async () => {
    const { mailer, taken } = await start();
    const subjects = Array.from({ length: 12 }, (_, index) => `Mail ${index}`);
    await Promise.all(subjects.map((subject) => mailer.send({ ...MAIL, subject })));
    expect((await taken()).map((mail) => mail.subject).sort()).toEqual(subjects.sort());
  });

  test("makes no header of what a subject or a text says", async () => {
    const { mailer, taken } = await start();
    await mailer.send({ ...MAIL, text: "mail 0." });
    const byNumber = async (number: number) =>
      (await taken()).find(({ text }) => text.startsWith(`mail ${number}.`));
    const plain = await byNumber(0);
    const names = (mail: ParsedMail | undefined) => mail?.headers.map(([name]) => name).sort();
    const asOneLine = (subject: string) => subject.replace(/[\s\p{Cc}]+/gu, " ").trim();

    const breaks = fc.constantFrom("\r\n", "\n", "\r", "\r\n ", "\u2028", "\0", "\v", "\u0085", "\r\n\r\n");
    const endings = fc.constantFrom(
      "Bcc: eve@evil.test",
      "To: eve@evil.test",
      "=?utf-8?Q?=0D=0ABcc:?=",
      "<b>",
    );
    let number = 0;
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "grapheme" }), breaks, endings, async (begin, lineBreak, end) => {
        number += 1;
        const subject = begin + lineBreak + end;
        await mailer.send({ ...MAIL, subject, text: `mail ${number}.${subject}`, html: subject });
        const mail = await byNumber(number);
        expect(names(mail)).toEqual(names(plain));
        expect(valuesOf(mail, "to")).toEqual(["ann@example.org"]);
        // What is written like an encoded word is one to whoever reads it.
        if (end.startsWith("=?")) return;
        expect(mail?.subject).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        expect(asOneLine(mail?.subject ?? "")).toBe(asOneLine(subject));
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    "",
    "ann",
    "ann@",
    "@example.org",
    "ann@example.org, eve@evil.test",
    "ann@example.org;eve@evil.test",
    "ann@example.org eve@evil.test",
    "ann@example.org\r\nBcc: eve@evil.test",
    "ann@example.org\r\nDATA",
    "ann@example.org>\r\nRCPT TO:<eve@evil.test",
    "<ann@example.org>",
    "Ann <ann@example.org>",
    "ann@example.org@evil.test",
    "group: ann@example.org;",
    "ann@example.org\0",
    "ann@exa\u0085mple.org",
    "../../etc/ann@example.org\n",
    `${"a".repeat(400)}@example.org`,
  ])("refuses for good what is not one plain address: %j", async (to) => {
    const { mailer, taken } = await start();
    const refusal = await mailer.send({ ...MAIL, to }).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(MailRefusedError);
    expect(String(refusal)).not.toContain("example");
    expect(await taken()).toEqual([]);
  });

  test("passes its check while it works, and neither checks nor sends when it does not", async () => {
    const { mailer, break: breakIt } = await start();
    await mailer.check();
    await breakIt();
    await expect(mailer.check()).rejects.toThrow();
    const failure = await mailer.send(MAIL).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(failure).not.toBeInstanceOf(MailRefusedError);
  });
});

async function openOutbox(): Promise<Opened> {
  const parent = await mkdtemp(join(tmpdir(), "guildhall-outbox-"));
  const directory = join(parent, "made", "on demand");
  return {
    mailer: outboxMailer({ directory, from: FROM, clock: Date.now }),
    async taken() {
      const names = await readdir(directory).catch(() => []);
      return Promise.all(names.sort().map(async (name) => parseMail(await readFile(join(directory, name)))));
    },
    async break() {
      await rm(parent, { recursive: true });
      await Bun.write(parent, "a file where the folder is to be");
    },
    close: () => rm(parent, { recursive: true, force: true }),
  };
}

async function openSmtp(): Promise<Opened> {
  const server = await startSmtp();
  const mailer = smtpMailer({ url: server.url, from: FROM });
  return {
    mailer,
    taken: async () => server.mails,
    break: () => server.stop(),
    async close() {
      await mailer.close();
      await server.stop();
    },
  };
}
