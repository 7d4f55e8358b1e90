import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { eventually } from "../adapters/eventually.ts";
import { type RunningServer, startServer, temporaryFolder } from "../support/server.ts";
import { type ReceivedMail, startSmtp, type TestSmtpServer } from "../support/smtp.ts";

const OLD_PASSWORD = "SecurePassword123!";
const NEW_PASSWORD = "AnotherPassword456?";
const FROM = "club@guildhall.test";
const LIMIT_MS = 120_000;
// The first retry comes after 1 to 2 s, the second after 2 to 4 s more.
const ARRIVAL_MS = 12_000;

const SUBJECTS = {
  verify: "Confirm your e-mail address for Guildhall",
  reset: "Set a new Guildhall password",
  changed: "Your Guildhall password was changed",
} as const;

const folder = temporaryFolder();
let smtp: TestSmtpServer;
let server: RunningServer;

beforeAll(async () => {
  smtp = await startSmtp();
  const env = { SMTP_URL: smtp.url, MAIL_FROM: `Guildhall <${FROM}>` };
  server = await startServer({ dataDir: folder.path, env });
}, 120_000);
afterAll(async () => {
  server?.kill("SIGKILL");
  await server?.exited;
  await smtp?.stop();
  await folder.remove();
});
afterEach(() => {
  smtp.refused.clear();
  smtp.deferred.clear();
  for (const queue of [smtp.senderAnswers, smtp.answers, smtp.cuts]) queue.length = 0;
});

const mailsTo = (email: string, subject: string): ReceivedMail[] =>
  smtp.mails.filter((mail) => mail.to.includes(email) && mail.subject === subject);

async function arrived(email: string, subject: string, count = 1): Promise<ReceivedMail> {
  await eventually(() => mailsTo(email, subject).length >= count, ARRIVAL_MS);
  const mail = mailsTo(email, subject).at(-1);
  if (mail === undefined) throw new Error("the mail has gone again");
  return mail;
}

function tokenOf(mail: ReceivedMail, page: "reset-password" | "verify-email"): string {
  const link = new RegExp(`^http://\\S+/${page}\\?token=\\S+$`, "m").exec(mail.text.replaceAll("\r\n", "\n"));
  const token = new URL(link?.[0] ?? "").searchParams.get("token");
  if (token === null) throw new Error(`no token in ${mail.text}`);
  return token;
}

const post = (path: string, body: object) => server.call("POST", path, { body });

const signIn = (email: string, password: string) => post("/api/auth/login", { email, password });
const verify = (token: string) => post("/api/auth/verify-email", { token });
const setPassword = (token: string) =>
  post("/api/auth/reset-password", { token, password: NEW_PASSWORD, confirm_password: NEW_PASSWORD });

async function forget(email: string): Promise<void> {
  expect((await post("/api/auth/forgot-password", { email })).status).toBe(200);
}

/** Registers somebody, whose first mail has then arrived. */
async function register(name: string): Promise<string> {
  const email = `${name}@example.com`;
  const form = { email, password: OLD_PASSWORD, full_name: `${name} Doe` };
  expect((await post("/api/auth/register", form)).status).toBe(201);
  await arrived(email, SUBJECTS.verify);
  return email;
}

async function expectReset(email: string, mail: ReceivedMail): Promise<void> {
  expect((await setPassword(tokenOf(mail, "reset-password"))).status).toBe(200);
  expect((await signIn(email, NEW_PASSWORD)).status).toBe(200);
}

const failedTries = (): number => server.output().split("a try to send a mail failed").length - 1;

describe("a forgotten password", () => {
  test(
    "is replaced by a link that came by mail, once, and every session ends",
    async () => {
      const email = await register("ann");
      const first = await signIn(email, OLD_PASSWORD);
      expect(first.status).toBe(200);
      const sessions = (token: string) => server.call("GET", "/api/auth/sessions", { token });
      expect((await sessions(first.body.access_token)).status).toBe(200);

      await forget(email);
      const mail = await arrived(email, SUBJECTS.reset);
      expect(mail.from).toBe(FROM);
      expect(mail.to).toEqual([email]);
      const token = tokenOf(mail, "reset-password");
      expect(mail.html).toContain(token);
      expect((await verify(token)).status).toBe(400);

      expect((await setPassword(token)).status).toBe(200);
      expect((await sessions(first.body.access_token)).status).toBe(401);
      const refreshed = await post("/api/auth/refresh", { refresh_token: first.body.refresh_token });
      expect(refreshed.status).toBe(401);
      expect((await signIn(email, NEW_PASSWORD)).status).toBe(200);
      expect((await signIn(email, OLD_PASSWORD)).status).toBe(401);
      await arrived(email, SUBJECTS.changed);

      expect((await setPassword(token)).status).toBe(400);
      expect(mailsTo(email, SUBJECTS.reset)).toHaveLength(1);
      expect(mailsTo(email, SUBJECTS.changed)).toHaveLength(1);
      expect(server.output()).not.toContain(token);
      expect(server.output()).not.toContain(email);
    },
    LIMIT_MS,
  );

  test(
    "of an account that speaks Russian is mailed about in Russian",
    async () => {
      const email = await register("olga");
      const { body } = await signIn(email, OLD_PASSWORD);
      const changed = await server.call("PUT", `/api/users/${body.user.id}`, {
        token: body.access_token,
        body: { language: "ru" },
      });
      expect(changed.status).toBe(200);
      await forget(email);
      const mail = await arrived(email, "Новый пароль для Guildhall");
      expect(mail.text).toContain("Кто-то попросил");
      expect(mail.html).toContain('<html lang="ru">');
      await expectReset(email, mail);
      await arrived(email, "Пароль Guildhall изменён");
      expect(mailsTo(email, SUBJECTS.reset)).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "of an address that nobody has is answered the same and mails nothing",
    async () => {
      const email = await register("zoe");
      const asked = async (address: string) => {
        const { status, body } = await post("/api/auth/forgot-password", { email: address });
        return { status, body: { ...body, email: null } };
      };
      const unknown = await asked("nobody@example.com");
      expect(unknown).toEqual(await asked(email));
      // Mails go out in the order of their causes.
      await arrived(email, SUBJECTS.reset);
      expect(smtp.asked).not.toContain("nobody@example.com");
    },
    LIMIT_MS,
  );
});

test(
  "the link of the first mail confirms the address, once",
  async () => {
    const email = await register("vera");
    const token = tokenOf(await arrived(email, SUBJECTS.verify), "verify-email");
    expect((await setPassword(token)).status).toBe(400);
    expect((await verify(token)).status).toBe(200);
    expect((await verify(token)).status).toBe(400);
  },
  LIMIT_MS,
);

describe("the mail arrives although the server", () => {
  const troubles = [
    { name: "puts the sender off", cause: () => void smtp.senderAnswers.push(451) },
    { name: "puts the recipient off", cause: (email: string) => void smtp.deferred.set(email, 1) },
    { name: "puts the content off", cause: () => void smtp.answers.push(451) },
    { name: "drops the connection in the middle", cause: () => void smtp.cuts.push("mid-data") },
  ];
  test.each(troubles)(
    "$name",
    async ({ name, cause }) => {
      const email = await register(name.replaceAll(" ", "-"));
      const failedBefore = failedTries();
      cause(email);
      await forget(email);
      const mail = await arrived(email, SUBJECTS.reset);
      await eventually(() => failedTries() === failedBefore + 1);
      await expectReset(email, mail);
      // The one after it, so that a second of the first would have come.
      await arrived(email, SUBJECTS.changed);
      expect(mailsTo(email, SUBJECTS.reset)).toHaveLength(1);
    },
    LIMIT_MS,
  );

  test(
    "drops the connection before it answers: twice then, as one mail",
    async () => {
      const email = await register("dora");
      smtp.cuts.push("before-answer");
      await forget(email);
      const mail = await arrived(email, SUBJECTS.reset, 2);
      const ids = mailsTo(email, SUBJECTS.reset).map(
        ({ headers }) => headers.find(([name]) => name === "message-id")?.[1],
      );
      expect(new Set(ids).size).toBe(1);
      await expectReset(email, mail);
    },
    LIMIT_MS,
  );

  test(
    "is down at first",
    async () => {
      const email = await register("dan");
      const failedBefore = failedTries();
      await smtp.stop();
      try {
        await forget(email);
        await eventually(() => failedTries() > failedBefore, ARRIVAL_MS);
        expect(mailsTo(email, SUBJECTS.reset)).toEqual([]);
      } finally {
        await smtp.start();
      }
      await expectReset(email, await arrived(email, SUBJECTS.reset));
      expect(mailsTo(email, SUBJECTS.reset)).toHaveLength(1);
    },
    LIMIT_MS,
  );
});

test(
  "a recipient who is refused for good does not hold up the next, and is not asked for again",
  async () => {
    const asked = (email: string) => smtp.asked.filter((to) => to === email).length;
    const refused: { readonly gone: string; readonly askedBefore: number }[] = [];
    const tookMs: number[] = [];
    for (let round = 0; round < 3; round++) {
      const [gone, next] = [await register(`gone${round}`), await register(`next${round}`)];
      const askedBefore = asked(gone);
      refused.push({ gone, askedBefore });
      smtp.refused.add(gone);
      await forget(gone);
      await eventually(() => asked(gone) > askedBefore);
      const startedAt = performance.now();
      await forget(next);
      const mail = await arrived(next, SUBJECTS.reset);
      tookMs.push(performance.now() - startedAt);
      await expectReset(next, mail);
    }
    // Held up, each would take as long as until a first retry, which is a second at least.
    expect(Math.min(...tookMs)).toBeLessThan(1_000);
    await eventually(() => server.output().includes("a mail was given up"));
    // Longer than until a first retry.
    await Bun.sleep(2_500);
    for (const { gone, askedBefore } of refused) {
      expect(asked(gone)).toBe(askedBefore + 1);
      expect(server.output()).not.toContain(gone);
    }
  },
  LIMIT_MS,
);
