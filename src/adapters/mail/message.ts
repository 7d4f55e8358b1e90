import { createHash } from "node:crypto";
import type { SendMailOptions } from "nodemailer";
import type { Mail } from "../../domain/core.ts";
import { MailRefusedError } from "../../domain/mails.ts";

// One plain address: with anything else in it a recipient could become two, or another header.
const ADDRESS = /^[^\s"(),:;<>@[\\\]\p{Cc}]+@[^\s"(),:;<>@[\\\]\p{Cc}]+$/u;
const MAX_ADDRESS_CHARACTERS = 320;

/** What nodemailer is given. Throws MailRefusedError when the recipient is not one plain address. */
export function messageOf(mail: Mail, from: string): SendMailOptions & { readonly text: string } {
  if (mail.to.length > MAX_ADDRESS_CHARACTERS || !ADDRESS.test(mail.to)) {
    throw new MailRefusedError("The recipient is not an e-mail address.");
  }
  return {
    from,
    to: { name: "", address: mail.to },
    subject: mail.subject.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").trim(),
    text: cleanLines(mail.text),
    html: cleanLines(mail.html),
    messageId: messageId(mail, from),
    // So that no absence assistant answers (RFC 3834).
    headers: { "Auto-Submitted": "auto-generated" },
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** A lone CR or another control character is no part of a mail's text (RFC 5322, section 2.3). */
function cleanLines(text: string): string {
  return text.replace(/\r\n?/g, "\n").replace(/[^\P{Cc}\n\t]/gu, "");
}

/** The same mail sent twice has the same one, by which mail programs show it once. */
function messageId(mail: Mail, from: string): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([mail.to, mail.subject, mail.text]))
    .digest("hex");
  const domain = /@([^\s<>@"]+?)>?\s*$/.exec(from)?.[1] ?? "localhost";
  return `<${hash.slice(0, 40)}@${domain}>`;
}
