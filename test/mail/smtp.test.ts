import { afterEach, describe, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { type SmtpOptions, smtpMailer } from "../../src/adapters/mail/smtp.ts";
import { parseSmtpUrl } from "../../src/adapters/mail/smtp-url.ts";
import { MailRefusedError } from "../../src/domain/mails.ts";
import { eventually } from "../adapters/eventually.ts";
import { type SmtpServerOptions, startSmtp } from "../support/smtp.ts";

const LOGIN = { user: "club@example.org", password: "p@ss: wörd/%?#" };
const MAIL = { to: "ann@example.org", subject: "Hello", text: "Hello Ann", html: "<p>Hello Ann</p>" };

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function openServer(options: SmtpServerOptions = {}) {
  const server = await startSmtp(options);
  closing.push(server.stop);
  return server;
}

function openMailer(url: string, limits: SmtpOptions["limits"] = {}) {
  const mailer = smtpMailer({ url, from: "Guildhall <club@guildhall.test>", limits });
  closing.push(mailer.close);
  return mailer;
}

const withLogin = (url: string, { user, password } = LOGIN): string =>
  url.replace("://", `://${encodeURIComponent(user)}:${encodeURIComponent(password)}@`);

/** What a promise is rejected with; fails when it is not. */
async function failureOf(promise: Promise<unknown>): Promise<Error> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) throw new Error("it did not fail");
  return error;
}

describe("what the server refuses", () => {
  test("a recipient refused with 550 is refused for good; the next one gets its mail", async () => {
    const server = await openServer();
    server.refused.add("nobody@example.org");
    const mailer = openMailer(server.url);
    const failure = await failureOf(mailer.send({ ...MAIL, to: "nobody@example.org" }));
    expect(failure).toBeInstanceOf(MailRefusedError);
    expect(failure.message).toBe(
      `The mail server 127.0.0.1:${server.port} did not take the recipient (550 5.1.1).`,
    );
    await mailer.send(MAIL);
    expect(server.mails.map((mail) => mail.to)).toEqual([["ann@example.org"]]);
  });

  test("a recipient put off with 451 may be tried again", async () => {
    const server = await openServer();
    server.deferred.set(MAIL.to, 1);
    const mailer = openMailer(server.url);
    const failure = await failureOf(mailer.send(MAIL));
    expect(failure).not.toBeInstanceOf(MailRefusedError);
    expect(failure.message).toEndWith("did not take the recipient (451 4.7.1).");
    await mailer.send(MAIL);
    expect(server.mails).toHaveLength(1);
  });

  test("a sender that is refused may be mended: it is no fault of the mail's", async () => {
    const server = await openServer();
    server.senderAnswers.push(553);
    const mailer = openMailer(server.url);
    const failure = await failureOf(mailer.send(MAIL));
    expect(failure).not.toBeInstanceOf(MailRefusedError);
    expect(failure.message).toContain("did not take the sender (553");
    await mailer.send(MAIL);
    expect(server.mails).toHaveLength(1);
  });

  test.each([
    [554, true],
    [552, true],
    [452, false],
    [421, false],
    [530, false],
  ])("a mail answered with %d: for good %j", async (code, forGood) => {
    const server = await openServer();
    server.answers.push(code);
    const failure = await failureOf(openMailer(server.url).send(MAIL));
    expect(failure instanceof MailRefusedError).toBe(forGood);
    expect(failure.message).toContain(String(code));
  });
});

describe("signing in", () => {
  test("with the user and the password of the URL", async () => {
    const server = await openServer({ login: LOGIN });
    const mailer = openMailer(withLogin(server.url));
    await mailer.check();
    await mailer.send(MAIL);
    expect(server.mails.map((mail) => mail.user)).toEqual([LOGIN.user]);
  });

  test("a wrong password may be mended, and is told to nobody", async () => {
    const server = await openServer({ login: LOGIN });
    const wrong = { user: LOGIN.user, password: "hunter2-hunter2" };
    const mailer = openMailer(withLogin(server.url, wrong));
    for (const failure of [await failureOf(mailer.check()), await failureOf(mailer.send(MAIL))]) {
      expect(failure).not.toBeInstanceOf(MailRefusedError);
      expect(failure.message).toEndWith("refused to let us sign in (535 5.7.8).");
      expect(Bun.inspect(failure)).not.toContain("hunter2");
    }
    expect(server.mails).toEqual([]);
  });

  test("without a password where one is required it may be mended", async () => {
    const server = await openServer({ login: LOGIN });
    const failure = await failureOf(openMailer(server.url).send(MAIL));
    expect(failure).not.toBeInstanceOf(MailRefusedError);
    expect(failure.message).toEndWith("refused to let us sign in (530).");
  });

  test("a server where nobody can sign in is not sent the mail unsigned", async () => {
    const server = await openServer();
    const failure = await failureOf(openMailer(withLogin(server.url)).send(MAIL));
    expect(failure).not.toBeInstanceOf(MailRefusedError);
    expect(Bun.inspect(failure)).not.toContain(LOGIN.password);
    expect(server.mails).toEqual([]);
  });
});

describe("TLS", () => {
  test.each(["implicit", "starttls"] as const)(
    "%s: not with a certificate that nobody trusts",
    async (tls) => {
      const server = await openServer({ tls });
      const failure = await failureOf(openMailer(server.url).send(MAIL));
      expect(failure).not.toBeInstanceOf(MailRefusedError);
      expect(failure.message).toMatch(/could not be connected to: .*certificate/);
      expect(server.mails).toEqual([]);
    },
  );

  test.each(["implicit", "starttls"] as const)(
    "%s: with any certificate where the URL says so",
    async (tls) => {
      const server = await openServer({ tls, login: LOGIN });
      const mailer = openMailer(`${withLogin(server.url)}?tls.rejectUnauthorized=false`);
      await mailer.check();
      await mailer.send(MAIL);
      expect(server.mails.map(({ secure, user }) => ({ secure, user }))).toEqual([
        { secure: true, user: LOGIN.user },
      ]);
    },
  );

  test("requireTLS sends nothing to a server that does not offer it", async () => {
    const server = await openServer({ login: LOGIN });
    const failure = await failureOf(openMailer(`${withLogin(server.url)}?requireTLS=true`).send(MAIL));
    expect(failure).not.toBeInstanceOf(MailRefusedError);
    expect(server.mails).toEqual([]);
  });
});

describe("connections", () => {
  test("one connection carries many mails, and a lost one is made anew", async () => {
    const server = await openServer();
    const mailer = openMailer(server.url);
    await mailer.send(MAIL);
    await mailer.send(MAIL);
    await server.stop();
    expect(await failureOf(mailer.send(MAIL))).not.toBeInstanceOf(MailRefusedError);
    await server.start();
    await mailer.send(MAIL);
    expect(server.mails).toHaveLength(3);
    expect(server.connections).toBe(2);
  });

  test.each(["mid-data", "before-answer"] as const)(
    "one that drops %s fails once and for a while",
    async (cut) => {
      const server = await openServer();
      server.cuts.push(cut);
      const mailer = openMailer(server.url);
      expect(await failureOf(mailer.send(MAIL))).not.toBeInstanceOf(MailRefusedError);
      expect(server.asked).toEqual([MAIL.to]);
      await mailer.send(MAIL);
      expect(server.mails).toHaveLength(cut === "mid-data" ? 1 : 2);
    },
  );

  test("a server that nobody runs is named, without the password", async () => {
    const server = await openServer();
    await server.stop();
    const failure = await failureOf(openMailer(withLogin(server.url)).check());
    expect(failure.message).toContain(`127.0.0.1:${server.port} could not be connected to`);
    expect(Bun.inspect(failure)).not.toContain("wörd");
    expect(Bun.inspect(failure)).not.toContain(encodeURIComponent(LOGIN.password));
  });

  test("a server that never greets is given up", async () => {
    const port = await listen(() => {});
    const mailer = openMailer(`smtp://127.0.0.1:${port}`, { greetingMs: 100 });
    expect((await failureOf(mailer.send(MAIL))).message).toEndWith("did not answer in time.");
    expect((await failureOf(mailer.check())).message).toEndWith("did not answer in time.");
  });

  test("a server that falls silent is given up", async () => {
    const port = await listen((socket) => void socket.write("220 hello\r\n"));
    const mailer = openMailer(`smtp://127.0.0.1:${port}`, { socketMs: 100 });
    expect((await failureOf(mailer.send(MAIL))).message).toEndWith("did not answer in time.");
  });

  test("a server that answers forever, one byte at a time, is given up", async () => {
    const port = await listen((socket) => {
      socket.write("220 hello\r\n250-");
      const timer = setInterval(() => socket.write("x"), 20);
      socket.on("close", () => clearInterval(timer));
    });
    const mailer = openMailer(`smtp://127.0.0.1:${port}`, { sendMs: 200 });
    expect((await failureOf(mailer.send(MAIL))).message).toEndWith("did not answer in time.");
  });

  test("close ends a mail that is being sent", async () => {
    let connected = false;
    const port = await listen((socket) => {
      connected = true;
      socket.write("220 hello\r\n");
    });
    const mailer = openMailer(`smtp://127.0.0.1:${port}`);
    const failure = failureOf(mailer.send(MAIL));
    await eventually(() => connected);
    await mailer.close();
    expect(await failure).not.toBeInstanceOf(MailRefusedError);
  });
});

async function listen(greet: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    greet(socket);
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  closing.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((done) => server.close(done));
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("it does not listen");
  return address.port;
}

describe("the URL", () => {
  test.each([
    ["smtp://mail.example.org", { host: "mail.example.org", port: 587, secure: false }],
    ["smtps://mail.example.org/", { host: "mail.example.org", port: 465, secure: true }],
    ["smtp://[::1]:2525", { host: "::1", port: 2525, secure: false }],
    ["smtp://mail.example.org?requireTLS=true", { requireTLS: true, tls: { rejectUnauthorized: true } }],
    ["smtp://mail.example.org?tls.rejectUnauthorized=false", { tls: { rejectUnauthorized: false } }],
    ["smtps://u%40x:p%3A%25@mail.example.org:1", { auth: { user: "u@x", pass: "p:%" }, port: 1 }],
  ])("%s", (url, expected) => {
    expect(parseSmtpUrl(url)).toMatchObject(expected);
  });

  test.each([
    "http://user:secret@mail.example.org",
    "smtp://",
    "user:secret@mail.example.org",
    "smtp://user:secret@mail.example.org/path",
    "smtp://user:secret@mail.example.org?pool=true",
    "smtp://user:secret@mail.example.org?requireTLS=secret",
    "smtp://user:secret%@mail.example.org",
    "smtp://user:secret@mail.example.org:99999",
  ])("refused without telling the password: %s", (url) => {
    expect(() => parseSmtpUrl(url)).toThrow("SMTP URL");
    try {
      parseSmtpUrl(url);
    } catch (error) {
      expect(Bun.inspect(error).replace(/^.*\|.*$/gm, "")).not.toContain("secret");
    }
  });
});
