import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { outboxMailer } from "../../src/adapters/mail/outbox.ts";

const MAIL = { to: "ann@example.org", subject: "Hello", text: "Hello Ann", html: "<p>Hello Ann</p>" };

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "guildhall-outbox-"));
});
afterEach(() => rm(parent, { recursive: true, force: true }));

const outbox = (directory: string) =>
  outboxMailer({
    directory,
    from: "Guildhall <club@guildhall.test>",
    clock: () => Date.UTC(2026, 3, 14, 10, 30),
  });

test("makes nothing before the first mail, then a folder for its owner alone", async () => {
  const directory = join(parent, "outbox");
  const mailer = outbox(directory);
  expect(await readdir(parent)).toEqual([]);
  await mailer.send(MAIL);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  const [name = ""] = await readdir(directory);
  expect(name).toMatch(/^20260414T103000000Z-[0-9a-f]{16}\.eml$/);
  expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
});

test("removes what a crash left long ago, and nothing that may be in the making", async () => {
  const longAgo = Date.now() / 1000 - 11 * 60;
  const old = [".old.eml.tmp", ".old.probe", "old.eml"];
  for (const name of [...old, ".new.eml.tmp"]) await writeFile(join(parent, name), "half");
  for (const name of old) await utimes(join(parent, name), longAgo, longAgo);
  await outbox(parent).send(MAIL);
  const names = (await readdir(parent)).filter((name) => !name.startsWith("2026"));
  expect(names.sort()).toEqual([".new.eml.tmp", "old.eml"]);
});

test("dates a mail by the clock that it is given", async () => {
  await outbox(parent).send(MAIL);
  const [name = ""] = await readdir(parent);
  expect(await readFile(join(parent, name), "utf8")).toContain(
    "\r\nDate: Tue, 14 Apr 2026 10:30:00 +0000\r\n",
  );
});

test("writes a long link in one piece, to be copied from the file", async () => {
  const link = `http://127.0.0.1:8080/reset-password?token=${"x".repeat(200)}`;
  await outbox(parent).send({ ...MAIL, text: `Привет\n\n${link}\n` });
  const [name = ""] = await readdir(parent);
  expect(await readFile(join(parent, name), "utf8")).toContain(`Привет\r\n\r\n${link}\r\n`);
});

test("encodes a line that is too long to stand as it is", async () => {
  await outbox(parent).send({ ...MAIL, text: "long ".repeat(400) });
  const [name = ""] = await readdir(parent);
  const lines = (await readFile(join(parent, name), "utf8")).split("\r\n");
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(998);
});

test("no recipient's name leads out of the folder", async () => {
  const directory = join(parent, "outbox");
  const mailer = outbox(directory);
  const recipients = [
    "../../x@example.org",
    "/etc/x@example.org",
    "..@example.org/../..",
    "a%2f..@example.org",
  ];
  for (const to of recipients) await mailer.send({ ...MAIL, to });
  expect(await readdir(parent)).toEqual(["outbox"]);
  const names = await readdir(directory);
  expect(names).toHaveLength(recipients.length);
  for (const name of names) expect(name).toMatch(/^20260414T103000000Z-[0-9a-f]{16}\.eml$/);
});

// Another process, since this one may write without a pause to look in.
const WATCHER = `
  const { existsSync, readdirSync, statSync } = require("node:fs");
  const [folder, end] = process.argv.slice(-2);
  const sizes = new Set();
  process.stdout.write("ready\\n");
  while (!existsSync(end)) {
    for (const name of readdirSync(folder)) {
      try {
        if (name.endsWith(".eml")) sizes.add(statSync(folder + "/" + name).size);
      } catch {}
    }
  }
  process.stdout.write(JSON.stringify([...sizes]));
`;

test("a reader of the folder never finds half a mail", async () => {
  const directory = join(parent, "outbox");
  const end = join(parent, "end");
  const mailer = outbox(directory);
  await mailer.check();
  const watcher = Bun.spawn([process.execPath, "-e", WATCHER, directory, end], { stdout: "pipe" });
  try {
    const lines = watcher.stdout.pipeThrough(new TextDecoderStream()).getReader();
    expect((await lines.read()).value).toBe("ready\n");
    for (let number = 0; number < 3; number += 1) {
      await mailer.send({ ...MAIL, text: "a line of a long mail\n".repeat(200_000) });
    }
    const sizes = await Promise.all(
      (await readdir(directory)).map(async (name) => (await stat(join(directory, name))).size),
    );
    await Bun.write(end, "");
    const seen: number[] = JSON.parse((await lines.read()).value ?? "");
    expect(seen.length).toBeGreaterThan(0);
    for (const size of seen) expect(sizes).toContain(size);
  } finally {
    watcher.kill();
    await watcher.exited;
  }
});

test.if(process.platform === "linux")("does not pass its check where no file can be made", async () => {
  await expect(outbox("/proc").check()).rejects.toThrow();
});
