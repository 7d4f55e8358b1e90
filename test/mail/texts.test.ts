import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type MailText, write } from "../../src/domain/mail-texts.ts";

const URL_OF_OURS = "https://guildhall.test";
const AT = Date.UTC(2026, 3, 14, 10, 30);
const TOKEN = "Zm9vYmFy-_Zm9vYmFy";

const mails = (username: string, address: string | null = "192.0.2.7"): readonly MailText[] => [
  { kind: "reset", username, address, token: TOKEN, expiresAt: AT },
  { kind: "verify", username, token: TOKEN, expiresAt: AT },
  { kind: "password-changed", username, address, at: AT },
  { kind: "refresh-token-reused", username, address, at: AT },
  { kind: "email-changed", username, address, newEmail: "somebody.new@example.org", at: AT },
  { kind: "backup-failed", made: "daily", username, reason: "The disk of /data is full.", at: AT },
  { kind: "backup-failed", made: "manual", username, reason: "The disk of /data is full.", at: AT },
];

const LINKS: Readonly<Record<MailText["kind"], string>> = {
  reset: `${URL_OF_OURS}/reset-password?token=${TOKEN}`,
  verify: `${URL_OF_OURS}/verify-email?token=${TOKEN}`,
  "password-changed": `${URL_OF_OURS}/login`,
  "refresh-token-reused": `${URL_OF_OURS}/login`,
  "email-changed": `${URL_OF_OURS}/login`,
  "backup-failed": `${URL_OF_OURS}/admin/audit`,
};

const cases = (["en", "ru"] as const).flatMap((language) =>
  mails("Ann").map((text) => ({ language, kind: text.kind, text })),
);

test.each(cases)("$kind in $language says who, when and where to go", ({ language, kind, text }) => {
  const mail = write(text, language, URL_OF_OURS);
  expect(mail.subject).toContain("Guildhall");
  expect(mail.text.split("\n")).toContain(LINKS[kind]);
  expect(mail.html).toContain(`href="${LINKS[kind]}"`);
  expect(mail.html).toContain(`>${LINKS[kind]}<`);
  expect(mail.html).toContain(`<html lang="${language}">`);
  const time = language === "ru" ? "14 апреля 2026 г. в 10:30 UTC" : "14 April 2026 at 10:30 UTC";
  for (const part of [mail.text, mail.html]) {
    expect(part).toContain("Ann");
    expect(part).toContain(time);
    expect(part.includes("192.0.2.7")).toBe(kind !== "verify" && kind !== "backup-failed");
    expect(part.includes("The disk of /data is full.")).toBe(kind === "backup-failed");
  }
  expect(/[а-яё]/i.test(mail.subject + mail.text)).toBe(language === "ru");
});

test("each has a subject of its own in each language", () => {
  const subjects = cases.map(({ text, language }) => write(text, language, URL_OF_OURS).subject);
  expect(new Set(subjects).size).toBe(cases.length);
});

test.each([
  ["ru", true],
  ["ru-RU", true],
  ["RU", true],
  ["ru_RU", true],
  ["rue", false],
  ["run", false],
  ["en-GB", false],
  ["de", false],
  ["", false],
  [null, false],
])("the language %j: Russian %j", (language, russian) => {
  for (const text of mails("Ann")) {
    expect(/[а-я]/.test(write(text, language, URL_OF_OURS).subject)).toBe(russian);
  }
});

test("a changed address is told masked", () => {
  for (const language of ["en", "ru"]) {
    for (const part of Object.values(write(mails("Ann")[4] as MailText, language, URL_OF_OURS))) {
      expect(part).not.toContain("omebody");
    }
    expect(write(mails("Ann")[4] as MailText, language, URL_OF_OURS).text).toContain("s***@example");
  }
});

test("a token cannot leave its place in the link", () => {
  const text = { kind: "reset", username: "Ann", token: `a&b="><script>#`, expiresAt: AT } as const;
  const { html } = write(text, "en", URL_OF_OURS);
  expect(html).toContain(`href="${URL_OF_OURS}/reset-password?token=a%26b%3D%22%3E%3Cscript%3E%23"`);
});

describe("what strangers choose", () => {
  const HOSTILE = [
    `<script>alert(1)</script>`,
    `"><img src=x onerror=alert(1)>`,
    `</title></p><a href='http://evil.test'>click</a>`,
    `Ann\r\nBcc: eve@evil.test`,
    `&lt;b&gt;`,
  ];
  const strange = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: "binary", maxLength: 200 }));
  const tags = (html: string) => html.match(/<[^>]*>/g);

  test("adds no tag, no attribute and no line, and stays short", () => {
    fc.assert(
      fc.property(strange, strange, fc.constantFrom("en", "ru"), (username, address, language) => {
        const plain = mails("Ann", "192.0.2.7").map((text) => write(text, language, URL_OF_OURS));
        const hostile = mails(username, address || "-").map((text) => write(text, language, URL_OF_OURS));
        hostile.forEach((mail, index) => {
          expect(tags(mail.html)).toEqual(tags(plain[index]?.html ?? ""));
          expect(mail.text.split("\n")).toHaveLength(plain[index]?.text.split("\n").length ?? 0);
          expect(mail.subject).toBe(plain[index]?.subject ?? "");
          expect(mail.text).not.toMatch(/[\r\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
          expect(mail.text.length).toBeLessThan(1_200);
        });
      }),
    );
  });

  test("a name of any length is shown as 64 characters", () => {
    for (const text of mails("x".repeat(5_000))) {
      expect(write(text, "en", URL_OF_OURS).text).toContain(`Hello ${"x".repeat(64)}…,`);
    }
  });

  test("an ampersand is not read as markup", () => {
    const { html } = write(mails("a&lt;b&b")[0] as MailText, "en", URL_OF_OURS);
    expect(html).toContain("a&amp;lt;b&amp;b");
  });

  test("a name that reads like a link is no link", () => {
    for (const text of mails("http://evil.test/prize www.evil.test")) {
      const mail = write(text, "en", URL_OF_OURS);
      for (const part of [mail.text, mail.html]) {
        expect(part).not.toContain("evil.test");
        expect(part).not.toContain("http://");
      }
    }
  });
});
