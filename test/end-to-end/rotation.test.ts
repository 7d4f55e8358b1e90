import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { eventually } from "../adapters/eventually.ts";
import { startServer, temporaryFolder } from "../support/server.ts";
import { startSmtp, type TestSmtpServer } from "../support/smtp.ts";
import { ask, download, signUp } from "../support/walk.ts";

const FRESH = "a fresh secret of more than thirty-two bytes";
const LIMIT_MS = 120_000;
// The first retry comes after 1 to 2 s.
const ARRIVAL_MS = 15_000;

const folder = temporaryFolder();
let smtp: TestSmtpServer;
beforeAll(async () => {
  smtp = await startSmtp();
});
afterAll(async () => {
  await smtp?.stop();
  await folder.remove();
});

/** A server with these secrets, on the same data. */
const start = (env: Record<string, string>) =>
  startServer({
    dataDir: folder.path,
    env: { SMTP_URL: smtp.url, MAIL_FROM: "club@guildhall.test", ...env },
  });

test(
  "tokens, links to documents and waiting mails outlive the secret that they were made with, as long as it is the previous one",
  async () => {
    const { port } = smtp;
    await smtp.stop();
    const before = await start({});
    const token = await signUp(before, "ada");
    const id = await ask(before, token, "ada");
    await download(before, token, id);
    const task = await before.call("GET", `/api/stats/tasks/${id}`, { token });
    const link = new URL(task.body.result.document_url);
    const body = { email: "waits@example.org", password: "SecurePassword123!", full_name: "Ann Lee" };
    expect((await before.call("POST", "/api/auth/register", { body })).status).toBe(201);
    await eventually(() => before.output().includes("a try to send a mail failed"), ARRIVAL_MS);
    expect(await before.stop()).toBe(0);

    const { jwtSecret } = await Bun.file(join(folder.path, "secrets.json")).json();
    await smtp.start();
    expect(smtp.port).toBe(port);
    const during = await start({ JWT_SECRET: FRESH, JWT_SECRET_PREVIOUS: jwtSecret });
    const fetched = (url: string) =>
      fetch(`${url}${link.pathname}${link.search}`).then(({ status }) => status);
    expect(await fetched(during.url)).toBe(200);
    expect((await during.call("GET", "/api/users/myself", { token })).status).toBe(200);
    await eventually(() => smtp.mails.some(({ to }) => to.includes("waits@example.org")), ARRIVAL_MS);
    expect(await during.stop()).toBe(0);

    const after = await start({ JWT_SECRET: FRESH });
    expect(await fetched(after.url)).not.toBe(200);
    expect((await after.call("GET", "/api/users/myself", { token })).status).toBe(401);
    expect(await after.stop()).toBe(0);
  },
  LIMIT_MS,
);
