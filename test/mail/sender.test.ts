import { afterEach, describe, expect, test } from "bun:test";
import { count } from "drizzle-orm";
import { mails } from "../../db/schema.ts";
import { smtpMailer } from "../../src/adapters/mail/smtp.ts";
import type { Core, Mail } from "../../src/domain/core.ts";
import {
  createMailSender,
  MailRefusedError,
  type MailSender,
  type NewMail,
  queueing,
  type SenderLimits,
} from "../../src/domain/mails.ts";
import { eventually } from "../adapters/eventually.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { type SmtpServerOptions, startSmtp } from "../support/smtp.ts";

const TOKEN = "a-token-that-nobody-may-read-anywhere";
const QUICK: SenderLimits = {
  leaseMs: 10_000,
  maxAttempts: 8,
  sweepEveryMs: 30_000,
  retryAfterMs: () => 20,
};

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function openApp(realTime = true): Promise<TestApp> {
  const app = await startTestApp({ realTime });
  closing.push(app.close);
  return app;
}

/** With what `send` throws, and everything that was tried. */
function fakeMailer(answer: (mail: Mail, tried: number) => Promise<void> | void) {
  const tried: Mail[] = [];
  const mailer = {
    async send(mail: Mail) {
      tried.push(mail);
      await answer(mail, tried.length);
    },
    check: async () => {},
    close: async () => {},
  };
  return { tried, mailer };
}

function openSender(core: Core, limits: Partial<SenderLimits> = {}): MailSender {
  const sender = createMailSender(core, { ...QUICK, ...limits });
  closing.push(() => sender.stop(1_000));
  return sender;
}

const reset = (to: string, core: Core, ttlMs = 30 * 60_000): NewMail => ({
  to,
  language: null,
  text: { kind: "reset", username: "Ann", token: TOKEN, expiresAt: core.clock() + ttlMs },
});

const changed = (to: string, core: Core): NewMail => ({
  to,
  language: "ru",
  text: { kind: "password-changed", username: "Ann", at: core.clock() },
});

const waiting = async (core: Core): Promise<number> =>
  (await core.db.select({ rows: count() }).from(mails))[0]?.rows ?? Number.NaN;

const logged = (app: TestApp, message: string) =>
  app.logged.map((line) => JSON.parse(line)).filter((line) => line.msg === message);

describe("what waits", () => {
  test("is stored with what causes it or not at all", async () => {
    const { core } = await openApp();
    const same = queueing(core, reset("ann@example.org", core));
    await expect(core.db.batch([same, same])).rejects.toThrow();
    expect(await waiting(core)).toBe(0);
  });

  test("holds neither the token nor the address in any readable form", async () => {
    const { core } = await openApp();
    await queueing(core, reset("ann@example.org", core));
    await queueing(core, reset("ann@example.org", core));
    const rows = await core.db.select().from(mails);
    const readable = rows
      .flatMap(({ sealed }) => [sealed, Buffer.from(sealed, "base64url").toString("latin1")])
      .concat(JSON.stringify(rows));
    for (const text of readable) {
      for (const secret of [TOKEN, "ann@example.org", "Ann", "reset"]) expect(text).not.toContain(secret);
    }
    expect(rows[0]?.sealed).not.toBe(rows[1]?.sealed ?? "");
  });

  test("that was sealed with another key is deleted and told once, without trying", async () => {
    const app = await openApp();
    await queueing(app.core, reset("ann@example.org", app.core));
    const { tried, mailer } = fakeMailer(() => {});
    const settings = { ...app.core.settings, sealingKeys: [new Uint8Array(32).fill(9)] as const };
    openSender({ ...app.core, mailer, settings }).start();
    await eventually(async () => (await waiting(app.core)) === 0);
    expect(tried).toEqual([]);
    expect(logged(app, "a mail was given up")).toHaveLength(1);
  });

  test("that was sealed with the previous key is sent", async () => {
    const app = await openApp();
    await queueing(app.core, reset("ann@example.org", app.core));
    const { tried, mailer } = fakeMailer(() => {});
    const sealingKeys = [new Uint8Array(32).fill(9), ...app.core.settings.sealingKeys] as const;
    openSender({ ...app.core, mailer, settings: { ...app.core.settings, sealingKeys } }).start();
    await eventually(async () => (await waiting(app.core)) === 0);
    expect(tried.map(({ to }) => to)).toEqual(["ann@example.org"]);
  });

  test.each([
    ["cut short", (sealed: string) => sealed.slice(0, 20)],
    [
      "changed",
      (sealed: string) => sealed.slice(0, 40) + (sealed[40] === "A" ? "B" : "A") + sealed.slice(41),
    ],
  ])("that was %s is deleted and does not stop the others", async (_name, change) => {
    const app = await openApp();
    await queueing(app.core, reset("ann@example.org", app.core));
    const [row] = await app.core.db.select().from(mails);
    await app.core.db.update(mails).set({ sealed: change(row?.sealed ?? "") });
    await queueing(app.core, reset("bob@example.org", app.core));
    const { tried, mailer } = fakeMailer(() => {});
    openSender({ ...app.core, mailer }).start();
    await eventually(async () => (await waiting(app.core)) === 0);
    expect(tried.map(({ to }) => to)).toEqual(["bob@example.org"]);
  });

  test("cannot be moved to another row", async () => {
    const app = await openApp();
    await queueing(app.core, reset("ann@example.org", app.core));
    await app.core.db.update(mails).set({ id: "another" });
    const { tried, mailer } = fakeMailer(() => {});
    openSender({ ...app.core, mailer }).start();
    await eventually(async () => (await waiting(app.core)) === 0);
    expect(tried).toEqual([]);
  });
});

describe("when it sends", () => {
  test("what waited before the start, and after each nudge, in the language of the account", async () => {
    const app = await openApp();
    const { tried, mailer } = fakeMailer(() => {});
    const core = { ...app.core, mailer };
    await queueing(core, reset("ann@example.org", core));
    const sender = openSender(core);
    sender.nudge();
    expect(tried).toEqual([]);
    sender.start();
    await eventually(() => tried.length === 1);
    await queueing(core, changed("bob@example.org", core));
    sender.nudge();
    await eventually(() => tried.length === 2);
    expect(tried.map(({ to, subject }) => ({ to, subject }))).toEqual([
      { to: "ann@example.org", subject: "Set a new Guildhall password" },
      { to: "bob@example.org", subject: "Пароль Guildhall изменён" },
    ]);
    expect(tried[0]?.text).toContain(`${core.settings.publicUrl()}/reset-password?token=${TOKEN}`);
    await eventually(async () => (await waiting(core)) === 0);
  });

  test("a nudge before the start or after the stop asks nothing of the database", async () => {
    const app = await openApp();
    const db = new Proxy(app.core.db, {
      get() {
        throw new Error("the database was asked");
      },
    });
    const sender = openSender({ ...app.core, db });
    sender.nudge();
    await sender.stop(1_000);
    sender.start();
    sender.nudge();
    await sender.stop(1_000);
    expect(app.logged).toEqual([]);
  });

  test("a nudge at the very end of a round is not lost", async () => {
    const app = await openApp(false);
    const { tried, mailer } = fakeMailer(() => {});
    await queueing(app.core, reset("ann@example.org", app.core));
    await app.core.db.update(mails).set({ dueAt: app.now + 60_000 });
    let asked = 0;
    const clock = () => {
      const { now } = app;
      asked += 1;
      // First the claim asks, then the end of the round, how long to wait: the mail becomes due just after.
      if (asked === 2) {
        app.now += 60_000;
        sender.nudge();
      }
      return now;
    };
    const sender = openSender({ ...app.core, mailer, clock });
    sender.start();
    await eventually(() => tried.length === 1);
  });

  test("without a nudge it finds them at the next sweep", async () => {
    const app = await openApp();
    const { tried, mailer } = fakeMailer(() => {});
    const core = { ...app.core, mailer };
    openSender(core, { sweepEveryMs: 30 }).start();
    await queueing(core, reset("ann@example.org", core));
    await eventually(() => tried.length === 1);
  });

  test("one at a time, however often it is nudged", async () => {
    const app = await openApp();
    let [now, most] = [0, 0];
    const { tried, mailer } = fakeMailer(async () => {
      now += 1;
      most = Math.max(most, now);
      await Bun.sleep(5);
      now -= 1;
    });
    const core = { ...app.core, mailer };
    const sender = openSender(core);
    sender.start();
    for (let number = 0; number < 10; number += 1) {
      await queueing(core, reset(`ann${number}@example.org`, core));
      sender.nudge();
    }
    await eventually(async () => (await waiting(core)) === 0);
    expect(new Set(tried.map(({ to }) => to)).size).toBe(10);
    expect(tried).toHaveLength(10);
    expect(most).toBe(1);
  });

  test("stop lets the one being sent end, and begins no other", async () => {
    const app = await openApp();
    const gate = Promise.withResolvers<void>();
    const { tried, mailer } = fakeMailer(() => gate.promise);
    const core = { ...app.core, mailer };
    await queueing(core, reset("ann@example.org", core));
    await queueing(core, reset("bob@example.org", core));
    const sender = openSender(core);
    sender.start();
    await eventually(() => tried.length === 1);
    const stopped = sender.stop(4_000);
    sender.nudge();
    gate.resolve();
    await stopped;
    expect(tried).toHaveLength(1);
    expect(await waiting(core)).toBe(1);
  });

  test("stop waits no longer than its grace for a mail that hangs", async () => {
    const app = await openApp();
    const gate = Promise.withResolvers<void>();
    const { tried, mailer } = fakeMailer(() => gate.promise);
    const core = { ...app.core, mailer };
    await queueing(core, reset("ann@example.org", core));
    const sender = openSender(core);
    sender.start();
    await eventually(() => tried.length === 1);
    const startedAt = performance.now();
    await sender.stop(50);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(await waiting(core)).toBe(1);
    gate.resolve();
    await eventually(async () => (await waiting(core)) === 0);
  });
});

describe("what fails", () => {
  test("for a while is tried again, later each time, and no more than it may be", async () => {
    const app = await openApp(false);
    const { tried, mailer } = fakeMailer(() => {
      throw new Error("the line to ann@example.org is down");
    });
    const core = { ...app.core, mailer };
    await queueing(core, changed("ann@example.org", core));
    const sender = createMailSender(core, { maxAttempts: 8 });
    closing.push(() => sender.stop(1_000));
    sender.start();
    const waits: number[] = [];
    for (let attempt = 1; attempt < 8; attempt += 1) {
      await eventually(async () => (await core.db.select().from(mails))[0]?.error !== null);
      const [row] = await core.db.select().from(mails);
      expect(row?.attempts).toBe(attempt);
      expect(row?.error).toBe("the line to the recipient is down");
      const dueAt = row?.dueAt ?? 0;
      waits.push((dueAt - app.now) / 1000);
      await core.db.update(mails).set({ error: null });
      app.now = dueAt;
      sender.nudge();
    }
    await eventually(async () => (await waiting(core)) === 0);
    expect(tried).toHaveLength(8);
    waits.forEach((seconds, index) => {
      expect(seconds).toBeGreaterThanOrEqual(2 ** index);
      expect(seconds).toBeLessThanOrEqual(2 ** (index + 1));
    });
    expect(logged(app, "a mail was given up")).toHaveLength(1);
  });

  test("for good is tried once, deleted, and logged once without address and token", async () => {
    const app = await openApp();
    const { tried, mailer } = fakeMailer((mail) => {
      throw new MailRefusedError(`There is no ${mail.to}.`);
    });
    const core = { ...app.core, mailer };
    await queueing(core, reset("ann@example.org", core));
    openSender(core).start();
    await eventually(async () => (await waiting(core)) === 0);
    await eventually(() => logged(app, "a mail was given up").length > 0);
    expect(tried).toHaveLength(1);
    const lines = logged(app, "a mail was given up");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      domain: "example.org",
      kind: "reset",
      reason: "There is no the recipient.",
    });
    expect(app.logged.join("")).not.toContain("ann@");
    expect(app.logged.join("")).not.toContain(TOKEN);
  });

  test("is dropped when its link has expired, without another try", async () => {
    const app = await openApp(false);
    const { tried, mailer } = fakeMailer(() => {
      throw new Error("the server is down");
    });
    const core = { ...app.core, mailer };
    await queueing(core, reset("ann@example.org", core, 60_000));
    const sender = openSender(core);
    sender.start();
    await eventually(async () => (await core.db.select().from(mails))[0]?.error != null);
    app.now += 60_000;
    sender.nudge();
    await eventually(async () => (await waiting(core)) === 0);
    expect(tried).toHaveLength(1);
    expect(logged(app, "a mail was given up")[0]).toMatchObject({
      domain: "example.org",
      reason: "Its link expired. the server is down",
    });
  });

  test("because its senders died is given up after so many leases", async () => {
    const app = await openApp();
    const { tried, mailer } = fakeMailer(() => {});
    const core = { ...app.core, mailer };
    await queueing(core, reset("ann@example.org", core));
    await core.db.update(mails).set({ attempts: QUICK.maxAttempts });
    openSender(core).start();
    await eventually(async () => (await waiting(core)) === 0);
    expect(tried).toEqual([]);
  });

  test("does not hold up the others, and is left alone until it is due", async () => {
    const app = await openApp(false);
    const { tried, mailer } = fakeMailer((mail) => {
      if (mail.to.startsWith("ann")) throw new Error("not now");
    });
    const core = { ...app.core, mailer };
    const triedTo = () => tried.map(({ to }) => to);
    await queueing(core, reset("ann@example.org", core));
    await queueing(core, reset("bob@example.org", core));
    const sender = openSender(core, { retryAfterMs: () => 60_000 });
    sender.start();
    await eventually(async () => (await waiting(core)) === 1);
    app.now += 59_999;
    await queueing(core, reset("eve@example.org", core));
    sender.nudge();
    await eventually(async () => (await waiting(core)) === 1);
    expect(triedTo()).toEqual(["ann@example.org", "bob@example.org", "eve@example.org"]);
    app.now += 1;
    sender.nudge();
    await eventually(() => tried.length === 4);
    expect(triedTo()[3]).toBe("ann@example.org");
  });

  test("in the database after the mail was taken does not send it twice", async () => {
    const app = await openApp();
    const { tried, mailer } = fakeMailer(() => {});
    let failures = 1;
    const db = new Proxy(app.core.db, {
      get(target, name) {
        if (name === "delete" && failures > 0) {
          failures -= 1;
          throw new Error("the database is away");
        }
        return Reflect.get(target, name);
      },
    });
    const core = { ...app.core, db, mailer };
    await queueing(app.core, reset("ann@example.org", core));
    openSender(core, { leaseMs: 30, sweepEveryMs: 30 }).start();
    await eventually(async () => (await waiting(core)) === 0);
    expect(failures).toBe(0);
    expect(tried).toHaveLength(1);
  });
});

describe("over a real SMTP server", () => {
  async function openAll(options: SmtpServerOptions = {}, url = (plain: string) => plain) {
    const app = await openApp();
    const server = await startSmtp(options);
    closing.push(server.stop);
    const mailer = smtpMailer({ url: url(server.url), from: "Guildhall <club@guildhall.test>" });
    closing.push(mailer.close);
    return { app, server, core: { ...app.core, mailer } };
  }

  const recipients = Array.from({ length: 6 }, (_, index) => `member${index}@example.org`);
  const sentTo = (received: readonly { readonly to: readonly string[] }[]) =>
    received.flatMap(({ to }) => to).sort();

  test("two senders on one database send each mail once", async () => {
    const { server, core } = await openAll();
    for (const to of recipients) await queueing(core, reset(to, core));
    const senders = [openSender(core), openSender(core)];
    for (const sender of senders) sender.start();
    await eventually(async () => (await waiting(core)) === 0);
    expect(sentTo(server.mails)).toEqual(recipients);
    expect(server.connections).toBe(2);
  });

  test("each once when the server refuses some and puts off others", async () => {
    const { app, server, core } = await openAll();
    server.refused.add("member1@example.org");
    server.deferred.set("member2@example.org", 2);
    server.answers.push(451, 554);
    for (const to of recipients) await queueing(core, reset(to, core));
    openSender(core).start();
    await eventually(async () => (await waiting(core)) === 0);
    // 554 is for the third that reached DATA; member1 and member2 never did before.
    expect(sentTo(server.mails)).toEqual(recipients.filter((to) => !/member[13]@/.test(to)));
    expect(server.asked.filter((to) => to === "member1@example.org")).toHaveLength(1);
    expect(logged(app, "a mail was given up")).toHaveLength(2);
    expect(app.logged.join("")).not.toContain("member");
    expect(app.logged.join("")).not.toContain(TOKEN);
  });

  test("once after a connection that dropped in the middle of the mail", async () => {
    const { server, core } = await openAll();
    server.cuts.push("mid-data");
    await queueing(core, reset("ann@example.org", core));
    openSender(core).start();
    await eventually(async () => (await waiting(core)) === 0);
    expect(sentTo(server.mails)).toEqual(["ann@example.org"]);
  });

  test("again after a connection that dropped before the answer, as the same mail", async () => {
    const { server, core } = await openAll();
    server.cuts.push("before-answer");
    await queueing(core, reset("ann@example.org", core));
    openSender(core).start();
    await eventually(async () => (await waiting(core)) === 0);
    expect(sentTo(server.mails)).toEqual(["ann@example.org", "ann@example.org"]);
    const ids = server.mails.map(({ headers }) => headers.find(([name]) => name === "message-id")?.[1]);
    expect(new Set(ids).size).toBe(1);
  });

  test("once when the server was down and comes back", async () => {
    const { server, core } = await openAll();
    await server.stop();
    for (const to of recipients) await queueing(core, reset(to, core));
    openSender(core, { maxAttempts: 1_000 }).start();
    await eventually(async () => (await core.db.select().from(mails)).every(({ error }) => error !== null));
    await server.start();
    await eventually(async () => (await waiting(core)) === 0);
    expect(sentTo(server.mails)).toEqual(recipients);
  });

  test("once after the password was mended", async () => {
    const login = { user: "club", password: "correct horse" };
    const { app, server, core } = await openAll({ login }, (url) => url.replace("://", "://club:wrong-one@"));
    await queueing(core, reset("ann@example.org", core));
    const sender = openSender(core);
    sender.start();
    await eventually(async () => (await core.db.select().from(mails))[0]?.error != null);
    await sender.stop(1_000);
    expect(app.logged.join("")).not.toContain("wrong-one");
    const url = server.url.replace("://", "://club:correct%20horse@");
    const mailer = smtpMailer({ url, from: "club@guildhall.test" });
    closing.push(mailer.close);
    openSender({ ...core, mailer }).start();
    await eventually(async () => (await waiting(core)) === 0);
    expect(sentTo(server.mails)).toEqual(["ann@example.org"]);
  });
});
