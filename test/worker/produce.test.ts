import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq, sql } from "drizzle-orm";
import { reportTasks } from "../../db/schema.ts";
import * as tasks from "../../src/domain/tasks.ts";
import { createProducer, type Producer, type ProducerOptions } from "../../worker/produce.ts";
import { createRenderers, type Renderer } from "../../worker/renderer.ts";
import { eventually } from "../adapters/eventually.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { player, statsUser } from "../support/people.ts";

const OWNER = "installation/serve";
let app: TestApp;
let renderers: [Renderer, ...Renderer[]];
let producer: Producer | undefined;

beforeEach(async () => {
  app = await startTestApp({ realTime: true });
  renderers = createRenderers(1, { log: app.core.log });
});
afterEach(async () => {
  await producer?.stop(0);
  producer = undefined;
  for (const renderer of renderers) renderer.kill();
  await app.close();
});

async function work(limits: ProducerOptions["limits"] = {}): Promise<Producer> {
  producer = createProducer({ core: app.core, owner: OWNER, renderers, limits });
  await producer.start();
  return producer;
}

async function ask(count: number, token: string, username: string): Promise<string[]> {
  const asked = Array.from({ length: count }, async () => {
    const answer = await app.call("POST", `/api/stats/${username}`, { token });
    return String(answer.body.result.id);
  });
  return Promise.all(asked);
}

const rows = () => app.core.db.select().from(reportTasks);
const statusOf = async (id: string) => (await rows()).find((row) => row.id === id)?.status;
const logged = (message: string) => app.logged.filter((line) => JSON.parse(line).msg === message).length;
const allAre = (status: string) => async () => (await rows()).every((row) => row.status === status);

/** Renders what the task's row keeps, by another child, and compares it with what is stored. */
async function expectSameBytesAgain(): Promise<void> {
  const [other] = createRenderers(1, { log: app.core.log });
  for (const row of await rows()) {
    const stored = await app.core.documents.get(tasks.documentKey(row.id));
    const again = await other.render(row.report ?? "");
    expect(Buffer.from(again).equals(Buffer.from(stored ?? []))).toBe(true);
    expect(row.documentSha256).toBe(createHash("sha256").update(again).digest("hex"));
    expect(row.documentBytes).toBe(again.length);
  }
  other.kill();
}

describe("the worker", () => {
  test("makes what was asked for before it came and what is asked for while it runs", async () => {
    const { token } = await statsUser(app, "subject");
    await ask(3, token, "subject");
    await work();
    await eventually(allAre("DONE"));
    await ask(3, token, "subject");
    await eventually(async () => (await rows()).filter((row) => row.status === "DONE").length === 6);
    await expectSameBytesAgain();
  });

  test("a document shows the figures as they were when it was first worked on", async () => {
    const { token, id } = await player(app, "subject");
    await app.call("PUT", `/users/${id}/stats`, { token, body: { victory_count: 8 } });
    const [taskId = ""] = await ask(1, token, "subject");
    await work();
    await eventually(async () => (await statusOf(taskId)) === "DONE");
    await app.call("PUT", `/users/${id}/stats`, { token, body: { victory_count: 9 } });
    await expectSameBytesAgain();
  });

  test("a poison task ends FAILED after five tries and does not hold up others", async () => {
    const { token } = await statsUser(app, "subject");
    const [poison = ""] = await ask(1, token, "subject");
    await app.core.db
      .update(reportTasks)
      .set({ report: "no report at all" })
      .where(eq(reportTasks.id, poison));
    const others = await ask(5, token, "subject");
    await work({ retryAfterMs: () => 30 });
    await eventually(async () => (await statusOf(poison)) === "FAILED");
    for (const id of others) expect(await statusOf(id)).toBe("DONE");
    const [row] = await app.core.db.select().from(reportTasks).where(eq(reportTasks.id, poison));
    expect(row).toMatchObject({
      attempts: 5,
      error: "The document could not be rendered.",
      leaseOwner: null,
    });
    const answer = await app.call("GET", `/api/stats/tasks/${poison}`, { token });
    expect(answer.body.result).toEqual({
      id: poison,
      status: "FAILED",
      error: "The document could not be rendered.",
    });
  });

  test("a rendering that never ends is killed at its limit, and fails after five tries", async () => {
    const stuck = createRenderers(1, {
      log: app.core.log,
      timeLimitMs: 50,
      command: [process.execPath, "-e", "setInterval(() => {}, 1000); process.on('message', () => {})"],
    });
    renderers = stuck;
    const { token } = await statsUser(app, "subject");
    const [id = ""] = await ask(1, token, "subject");
    await work({ retryAfterMs: () => 10 });
    await eventually(async () => (await statusOf(id)) === "FAILED");
    const [row] = await rows();
    expect(row?.error).toBe("Rendering took longer than 0.05 seconds.");
    expect(stuck[0].pid()).toBeNull();
  });

  test("a document store that fails is asked again later", async () => {
    const { token } = await statsUser(app, "subject");
    const [id = ""] = await ask(1, token, "subject");
    const documents = app.core.documents as { put: unknown };
    const put = documents.put;
    documents.put = () => Promise.reject(new Error("no space left, at /a/secret/path"));
    await work({ retryAfterMs: () => 10 });
    await eventually(async () => (await rows()).some((row) => row.attempts >= 2));
    documents.put = put;
    await eventually(async () => (await statusOf(id)) === "DONE");
    const [row] = await rows();
    expect(row?.error).toBeNull();
  });

  test("the renderer killed with SIGKILL in the middle of 50 jobs: all are done, each once", async () => {
    const { token } = await statsUser(app, "subject");
    await work({ retryAfterMs: () => 10 });
    await ask(50, token, "subject");
    let kills = 0;
    await eventually(
      async () => {
        const pid = renderers[0].pid();
        if (pid !== null && kills < 5) {
          process.kill(pid, "SIGKILL");
          kills += 1;
        }
        return allAre("DONE")();
      },
      20_000,
      100,
    );
    expect(kills).toBeGreaterThan(1);
    await expectSameBytesAgain();
  }, 120_000);

  test("a predecessor's leases are taken back at once, somebody else's are not", async () => {
    const { token } = await statsUser(app, "subject");
    const [mine = "", other = ""] = await ask(2, token, "subject");
    for (const owner of [OWNER, "somebody else"]) await tasks.claim(app.core, owner);
    const held = await rows();
    expect(held.map((row) => row.status)).toEqual(["PROCESSING", "PROCESSING"]);
    const mineId = held.find((row) => row.leaseOwner === OWNER)?.id ?? "";
    const otherId = mineId === mine ? other : mine;
    await work();
    await eventually(async () => (await statusOf(mineId)) === "DONE");
    expect(await statusOf(otherId)).toBe("PROCESSING");
  });

  test("a lease that ran out is taken over, and who lost it changes nothing any more", async () => {
    const { token } = await statsUser(app, "subject");
    const [id = ""] = await ask(1, token, "subject");
    const slow = await tasks.claim(app.core, "slow");
    await app.core.db.update(reportTasks).set({ dueAt: Date.now() - 1 });
    await work();
    await eventually(async () => (await statusOf(id)) === "DONE");
    if (slow === null) throw new Error("nothing was due");
    expect(await tasks.complete(app.core, slow, "slow", { bytes: 1, sha256: "x" })).toBe(false);
    expect(await tasks.renew(app.core, slow, "slow")).toBe(false);
    await tasks.fail(app.core, slow, "slow", "late", 0);
    await tasks.release(app.core, slow, "slow");
    expect(await statusOf(id)).toBe("DONE");
    await expectSameBytesAgain();
  });

  test("a lease that the same owner took anew is not touched by its earlier try", async () => {
    const { token } = await statsUser(app, "subject");
    await ask(1, token, "subject");
    const first = await tasks.claim(app.core, OWNER);
    await app.core.db.update(reportTasks).set({ dueAt: Date.now() - 1 });
    const second = await tasks.claim(app.core, OWNER);
    if (first === null || second === null) throw new Error("nothing was due");
    const before = await rows();
    expect(before).toMatchObject([{ status: "PROCESSING", attempts: 2, leaseOwner: OWNER }]);
    expect(await tasks.renew(app.core, first, OWNER)).toBe(false);
    expect(await tasks.keepReport(app.core, first, OWNER, "{}")).toBeNull();
    expect(await tasks.complete(app.core, first, OWNER, { bytes: 1, sha256: "x" })).toBe(false);
    await tasks.fail(app.core, first, OWNER, "late", 0);
    await tasks.release(app.core, first, OWNER);
    expect(await rows()).toEqual(before);
    expect(await tasks.complete(app.core, second, OWNER, { bytes: 1, sha256: "x" })).toBe(true);
  });

  test("neither is it touched by a try that was given back and did not count", async () => {
    const { token } = await statsUser(app, "subject");
    await ask(1, token, "subject");
    const first = await tasks.claim(app.core, OWNER);
    if (first === null) throw new Error("nothing was due");
    await tasks.release(app.core, first, OWNER);
    await tasks.claim(app.core, OWNER);
    expect(await rows()).toMatchObject([{ attempts: first.attempts, leaseOwner: OWNER }]);
    expect(await tasks.complete(app.core, first, OWNER, { bytes: 1, sha256: "x" })).toBe(false);
  });

  test("the log names the request that asked for the document", async () => {
    const { token } = await statsUser(app, "subject");
    await app.call("POST", "/api/stats/subject", { token, headers: { "X-Request-ID": "asked-here-1" } });
    await work();
    await eventually(() => logged("document stored") === 1);
    const line = app.logged.find((text) => JSON.parse(text).msg === "document stored") ?? "{}";
    expect(JSON.parse(line)).toMatchObject({ requestId: "asked-here-1", attempt: 1 });
  });

  test("a job whose lease is found lost stores nothing, and is no failed try", async () => {
    const { token } = await statsUser(app, "subject");
    await ask(1, token, "subject");
    const [real] = renderers;
    const begun = Promise.withResolvers<void>();
    const rendered = Promise.withResolvers<Uint8Array>();
    let killed = 0;
    const slow: Renderer = {
      ...real,
      async render() {
        begun.resolve();
        return rendered.promise;
      },
      kill() {
        killed += 1;
      },
    };
    renderers = [slow];
    const stored: unknown[] = [];
    const documents = app.core.documents as { put(...given: unknown[]): Promise<void> };
    documents.put = async (...given) => void stored.push(given);
    await work({ renewEveryMs: 20 });
    await begun.promise;
    await app.core.db.update(reportTasks).set({ leaseOwner: "somebody else" });
    const before = await rows();
    await eventually(() => logged("the lease was lost to another worker") === 1);
    expect(killed).toBe(1);
    rendered.resolve(Buffer.from("%PDF-"));
    await Bun.sleep(50);
    expect(stored).toEqual([]);
    expect(await rows()).toEqual(before);
    expect(logged("a try to make a document failed")).toBe(0);
    real.kill();
  });

  test("a job that took too long stores nothing when its rendering ends after all", async () => {
    const { token } = await statsUser(app, "subject");
    await ask(1, token, "subject");
    const [real] = renderers;
    const rendered = Promise.withResolvers<Uint8Array>();
    renderers = [{ ...real, render: () => rendered.promise }];
    const stored: unknown[] = [];
    const documents = app.core.documents as { put(...given: unknown[]): Promise<void> };
    documents.put = async (...given) => void stored.push(given);
    await work({ jobMs: 30, retryAfterMs: () => 60_000 });
    await eventually(async () => (await rows()).every((row) => row.error !== null));
    expect(await rows()).toMatchObject([
      { attempts: 1, status: "PENDING", error: "The job took longer than 0.03 seconds." },
    ]);
    rendered.resolve(Buffer.from("%PDF-"));
    await Bun.sleep(50);
    expect(stored).toEqual([]);
  });

  test("while its tasks cannot be written it waits longer each time, then does them all", async () => {
    const { token } = await statsUser(app, "subject");
    await ask(5, token, "subject");
    await app.core.db.run(sql`CREATE TRIGGER no_update BEFORE UPDATE ON report_tasks
      BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`);
    const message = "the worker could not read its tasks";
    renderers = createRenderers(3, { log: app.core.log });
    await work({ backOffMs: 50, sweepEveryMs: 400 });
    for (let nudges = 0; nudges < 60; nudges++) {
      app.core.queue.nudge();
      await Bun.sleep(10);
    }
    // At 0, 50, 150, 350 and 750 ms, and later ones where the nudges took longer; not at each of them.
    expect(logged(message)).toBeGreaterThanOrEqual(3);
    expect(logged(message)).toBeLessThanOrEqual(12);
    await app.core.db.run(sql`DROP TRIGGER no_update`);
    await eventually(allAre("DONE"));
    const waits = app.logged
      .map((line) => JSON.parse(line))
      .filter(({ msg }) => msg === message)
      .map(({ retryAfterMs }) => retryAfterMs);
    expect(waits.slice(0, 4)).toEqual([50, 100, 200, 400].slice(0, waits.length));
    await expectSameBytesAgain();
  });

  test("a task whose workers died with it five times fails", async () => {
    const { token } = await statsUser(app, "subject");
    const [id = ""] = await ask(1, token, "subject");
    for (let attempt = 1; attempt <= tasks.MAX_ATTEMPTS; attempt++) {
      expect(await tasks.claim(app.core, OWNER)).not.toBeNull();
      await tasks.releaseLeftBy(app.core, OWNER);
    }
    expect(await tasks.claim(app.core, OWNER)).toBeNull();
    await work();
    await eventually(async () => (await statusOf(id)) === "FAILED");
    const [row] = await rows();
    expect(row?.error).toBe("The worker stopped during each of 5 attempts.");
  });

  test("a stop lets the running job end; one that takes too long is given back, not counted", async () => {
    const { token } = await statsUser(app, "subject");
    const [id = ""] = await ask(1, token, "subject");
    const documents = app.core.documents as { put: unknown };
    const put = documents.put;
    const reached = Promise.withResolvers<void>();
    documents.put = () => {
      reached.resolve();
      return new Promise(() => {});
    };
    const first = await work();
    await reached.promise;
    await first.stop(50);
    expect(await rows()).toMatchObject([{ id, status: "PENDING", attempts: 0, leaseOwner: null }]);

    documents.put = put;
    const second = await work();
    await eventually(async () => (await statusOf(id)) !== "PENDING");
    await second.stop(5_000);
    expect(await statusOf(id)).toBe("DONE");
  });

  test("as many jobs run at a time as there are renderers", async () => {
    renderers = createRenderers(3, { log: app.core.log });
    const { token } = await statsUser(app, "subject");
    const documents = app.core.documents as { put(...given: unknown[]): Promise<void> };
    const put = documents.put.bind(documents);
    let running = 0;
    let most = 0;
    const together = Promise.withResolvers<void>();
    documents.put = async (...given) => {
      running += 1;
      most = Math.max(most, running);
      // The first ones wait for each other: were there fewer lanes, nothing would ever be done.
      if (running === 3) together.resolve();
      await together.promise;
      running -= 1;
      return put(...given);
    };
    await work();
    await ask(12, token, "subject");
    await eventually(allAre("DONE"));
    expect(most).toBe(3);
    await expectSameBytesAgain();
  });
});

describe("the renderer", () => {
  test("whose child lives but listens no more is replaced: the task is tried again, later ones work", async () => {
    const marker = join(tmpdir(), `guildhall-test-${crypto.randomUUID()}`);
    const program = join(import.meta.dir, "../../src/main.ts");
    // Deaf the first time, the real one from then on.
    const script = `if [ -e "${marker}" ]; then exec "${process.execPath}" "${program}" render; fi
      : > "${marker}"; exec "${process.execPath}" -e "process.disconnect(); setInterval(() => {}, 1000)"`;
    renderers = createRenderers(1, { log: app.core.log, command: ["/bin/sh", "-c", script] });
    const [renderer] = renderers;
    renderer.warm();
    const deaf = renderer.pid();
    await eventually(() => existsSync(marker));
    // Until the channel's end has been noticed here.
    await Bun.sleep(500);
    const { token } = await statsUser(app, "subject");
    await ask(1, token, "subject");
    await work({ retryAfterMs: () => 10 });
    await eventually(allAre("DONE"));
    expect(await rows()).toMatchObject([{ attempts: 2 }]);
    expect(logged("the renderer takes no report")).toBe(1);
    await eventually(() => !existsSync(`/proc/${deaf}`));
    await ask(1, token, "subject");
    await eventually(allAre("DONE"));
    await expectSameBytesAgain();
    await rm(marker);
  });

  test("is replaced after its number of documents", async () => {
    renderers = createRenderers(1, { log: app.core.log, documentsPerChild: 2 });
    const { token } = await statsUser(app, "subject");
    await ask(1, token, "subject");
    await work();
    await eventually(allAre("DONE"));
    const first = renderers[0].pid();
    await ask(3, token, "subject");
    await eventually(allAre("DONE"));
    expect(renderers[0].pid()).not.toBe(first);
    await expectSameBytesAgain();
  });

  test("has none of our environment", async () => {
    const [renderer] = renderers;
    renderer.warm();
    const environment = await Bun.file(`/proc/${renderer.pid()}/environ`).text();
    expect(environment).not.toContain("PATH=");
    expect(
      environment.split("\0").filter((entry) => /SECRET|TOKEN|PASSWORD|AMQP|DATABASE/.test(entry)),
    ).toEqual([]);
  });
});
