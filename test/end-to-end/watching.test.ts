import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { eventually } from "../adapters/eventually.ts";
import { type ChatUser, PASSWORD, signUp as signUpForChat } from "../support/chat.ts";
import { at, historyOf, insist, type Told } from "../support/chat-history.ts";
import { startHranaServer } from "../support/hrana-server.ts";
import { available, startBroker } from "../support/rabbitmq.ts";
import { S3_CREDENTIALS, startS3 } from "../support/s3.ts";
import {
  type RunningProcess,
  type RunningServer,
  startServer,
  startWorker,
  temporaryFolder,
} from "../support/server.ts";
import { startSmtp } from "../support/smtp.ts";
import { requireTool } from "../support/tools.ts";
import { ask, download, signUp } from "../support/walk.ts";

const SECRET = "the same secret on every node, of 32 bytes or more";
const LIMIT_MS = 120_000;
/** What was found is kept for a second, and a check may take three. */
const NOTICED_MS = 10_000;

type Standing = { readonly status: number; readonly body: { checks: Record<string, { state: string }> } };

async function standing(url: string): Promise<Standing> {
  const answer = await fetch(`${url}/readyz`);
  return { status: answer.status, body: (await answer.json()) as Standing["body"] };
}

const down = ({ body }: Standing): string[] =>
  Object.entries(body.checks).flatMap(([name, { state }]) => (state === "down" ? [name] : []));

async function isReady(url: string): Promise<void> {
  await eventually(async () => (await standing(url)).status === 200, 30_000, 50);
}

/** Ready, then not ready for this reason alone, then ready again. */
async function names(url: string, wanted: readonly string[], stop: () => unknown, start: () => unknown) {
  await isReady(url);
  await stop();
  await eventually(async () => down(await standing(url)).length === wanted.length, NOTICED_MS, 50);
  const found = await standing(url);
  expect([found.status, down(found)]).toEqual([503, [...wanted]]);
  await start();
  await isReady(url);
}

/** The value of a series at an address, whatever it stands for in the order of its labels. */
async function metric(url: string, name: string): Promise<number | undefined> {
  const lines = (await (await fetch(`${url}/metrics`)).text()).split("\n");
  const line = lines.find((candidate) => candidate.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length));
}

/** For a process that runs. What it writes beyond the limit fails as on a full disk, and nothing has to be mounted. */
function limitFileSize(pid: number, ...options: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["prlimit", `--pid=${pid}`, ...options]);
  if (exitCode !== 0) throw new Error(String(stderr));
  return String(stdout);
}

/** What each API answers to who wants something stored. */
async function refusals(server: RunningServer, ada: ChatUser): Promise<void> {
  const words = expect.stringContaining("cannot do this right now");
  const person = { username: "ben", email: "ben@example.org" };
  const password = PASSWORD;
  const form = { ...person, full_name: "Ben", password, confirm_password: password };
  const byMail = { email: ada.email, password };
  for (const [path, body, refusal] of [
    ["/api/auth/register", form, { error: { code: "SERVICE_UNAVAILABLE", message: words } }],
    [
      "/api/auth/register",
      { ...person, sex: "x" },
      { error: { code: "SERVICE_UNAVAILABLE", message: words } },
    ],
    ["/users", { ...person, password }, { success: false, message: words }],
    ["/account/login", byMail, { errorMessage: words }],
    ["/api/users/signin", byMail, { error: words }],
  ] as const) {
    const answer = await server.call("POST", path, { body });
    expect([path, answer.status, answer.body]).toEqual([path, 503, refusal]);
    expect(Number(answer.headers.get("Retry-After"))).toBeGreaterThan(0);
  }
}

describe("one server on a file", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let server: RunningServer;
  const dataDir = () => join(folder.path, "data");

  beforeAll(async () => {
    folder = temporaryFolder();
    server = await startServer({ dataDir: dataDir() });
  }, LIMIT_MS);
  afterAll(async () => {
    server?.kill("SIGKILL");
    await folder?.remove();
  });

  test(
    "is not ready while its documents cannot be stored, nor while its mails cannot",
    async () => {
      for (const [name, path] of [
        ["documents", join(dataDir(), "documents")],
        ["mailer", join(dataDir(), "outbox")],
      ] as const) {
        const block = async () => {
          await rm(path, { recursive: true, force: true });
          await writeFile(path, "not a folder");
        };
        await names(server.url, [name], block, () => rm(path));
      }
    },
    LIMIT_MS,
  );

  test.skipIf(!requireTool("prlimit"))(
    "is not ready while nothing can be written; says so in each API's words, can be read, and loses nothing",
    async () => {
      const start = () => startServer({ dataDir: join(folder.path, "limited"), args: ["--no-worker"] });
      let limited = await start();
      try {
        const ada = await signUpForChat(limited, "ada");
        await ada.call("POST", "/ws/create-room", { id: "lobby", name: "lobby" });
        const socket = await ada.join("lobby", { v1: true });
        await socket.waitFor((frame) => frame.type === "welcome");

        const said: Told[] = [];
        let isOver = false;
        async function talk(name: string): Promise<void> {
          for (let count = 0; !isOver; count++) {
            said.push(await insist(ada, "lobby", `${name} ${count}`));
            await Bun.sleep(5);
          }
        }
        const talking = Promise.all(["Ann", "Ben", "Cem", "Dia"].map(talk));

        const [usual = ""] = limitFileSize(limited.pid, "--fsize", "--output=SOFT", "--noheadings")
          .trim()
          .split(/\s/);
        // Less than a page: nothing gets into the database, while what is tried in other places is smaller.
        const fill = () => limitFileSize(limited.pid, "--fsize=1024:");
        const empty = () => limitFileSize(limited.pid, `--fsize=${usual}:`);
        const whileFull = async () => {
          await fill();
          await refusals(limited, ada);
          socket.send({ type: "message", content: "from the socket", key: "s" });
          expect(await socket.waitFor((frame) => frame.key === "s", NOTICED_MS)).toEqual({
            type: "error",
            code: "unavailable",
            key: "s",
            message: expect.any(String),
          });
          expect((await ada.call("GET", "/ws/rooms/lobby/messages")).status).toBe(200);
          expect((await limited.call("GET", "/users")).body).toHaveLength(1);
        };
        await names(limited.url, ["database"], whileFull, empty);

        socket.send({ type: "message", content: "from the socket", key: "s" });
        said.push(await socket.waitForMessage("from the socket", NOTICED_MS));
        await socket.close();
        const before = said.length;
        await eventually(() => said.length >= before + 40, 30_000);
        isOver = true;
        await talking;
        const told = (messages: readonly Told[]) =>
          messages.map(({ id, content }) => [id, content]).toSorted(([a], [b]) => Number(a) - Number(b));
        expect(told(await historyOf(ada, "lobby"))).toEqual(told(said));
        limited.kill("SIGKILL");
        await limited.exited;
        limited = await start();
        expect(told(await historyOf(at(limited, ada), "lobby"))).toEqual(told(said));
      } finally {
        limited.kill("SIGKILL");
        await limited.exited;
      }
    },
    LIMIT_MS,
  );

  // The same as the system tells it of a disk, where something may be mounted.
  test.skipIf(process.getuid?.() !== 0)(
    "is not ready while its disk is full, though it can be read",
    async () => {
      const place = join(folder.path, "small");
      await mkdir(place);
      const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place]);
      if (mounted.exitCode !== 0) return console.log("skipped: nothing can be mounted here");
      const database = pathToFileURL(join(place, "guildhall.db")).href;
      const small = await startServer({
        dataDir: join(folder.path, "other"),
        env: { DATABASE_URL: database },
      });
      const filling = join(place, "filling");
      const fill = () =>
        Bun.spawnSync(["dd", "if=/dev/zero", `of=${filling}`, "bs=4k"], { stderr: "ignore" }).exitCode;
      try {
        await names(small.url, ["database"], fill, () => rm(filling));
        await fill();
        expect((await small.call("GET", "/users")).status).toBe(200);
      } finally {
        small.kill("SIGKILL");
        await small.exited;
        Bun.spawnSync(["umount", "-l", place]);
      }
    },
    LIMIT_MS,
  );

  test(
    "tells of sockets, closes by code, replays, jobs, commits and how late the event loop is",
    async () => {
      const ada = await signUpForChat(server, "ada");
      await ada.call("POST", "/ws/create-room", { id: "lobby", name: "lobby" });
      const socket = await ada.join("lobby", { v1: true });
      const { epoch } = await socket.waitFor((frame) => frame.type === "welcome");
      expect(await metric(server.url, "guildhall_sockets")).toBe(1);
      socket.send({ type: "message", content: "hello" });
      const { id } = await socket.waitForMessage("hello");
      await socket.close();
      await eventually(async () => (await metric(server.url, "guildhall_sockets")) === 0);
      expect(await metric(server.url, 'guildhall_socket_closes_total{code="1000"}')).toBe(1);
      for (const query of [
        { since: id, epoch },
        { since: id, epoch: "another" },
      ]) {
        const again = await ada.join("lobby", { v1: true, query });
        await again.waitFor((frame) => frame.type === "welcome");
        await again.close();
      }
      expect(await metric(server.url, 'guildhall_replays_total{kind="exact"}')).toBe(1);
      expect(await metric(server.url, 'guildhall_replays_total{kind="gap"}')).toBe(1);

      const token = await signUp(server, "subject");
      await download(server, token, await ask(server, token, "subject"));
      expect(await metric(server.url, 'guildhall_tasks{kind="DONE"}')).toBe(1);
      await eventually(
        async () => (await metric(server.url, 'guildhall_job_duration_seconds_count{outcome="done"}')) === 1,
      );
      const commits = (await metric(server.url, "guildhall_db_commit_seconds_count")) ?? 0;
      expect(commits).toBeGreaterThan(0);
      expect(await metric(server.url, "guildhall_db_group_units_sum")).toBeGreaterThanOrEqual(commits);
      // Each look begins a new measurement.
      await eventually(async () => ((await metric(server.url, "nodejs_eventloop_lag_p99_seconds")) ?? 0) > 0);
      expect(await metric(server.url, "process_resident_memory_bytes")).toBeGreaterThan(1e6);
    },
    LIMIT_MS,
  );
});

describe.skipIf(!available())("a node and a worker of the scaled form", () => {
  const closing: (() => unknown)[] = [];
  let folder: ReturnType<typeof temporaryFolder>;
  let parts: Awaited<ReturnType<typeof startParts>>;

  async function startParts() {
    const broker = await startBroker();
    closing.push(() => broker.close());
    const s3 = await startS3(["stats"]);
    closing.push(() => s3.close());
    const database = await startHranaServer(join(folder.path, "remote.db"));
    closing.push(() => database.close());
    const smtp = await startSmtp();
    closing.push(() => smtp.stop());
    const env = {
      DATABASE_URL: database.url,
      JWT_SECRET: SECRET,
      AMQP_URL: broker.url,
      S3_BUCKET: "stats",
      S3_ENDPOINT: s3.endpoint,
      AWS_ACCESS_KEY_ID: S3_CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: S3_CREDENTIALS.secretAccessKey,
      SMTP_URL: smtp.url,
      MAIL_FROM: "Club <club@example.org>",
    };
    const node = await startServer({ dataDir: join(folder.path, "node"), env, args: ["--no-worker"] });
    closing.push(() => node.kill("SIGKILL"));
    const worker = await startWorker({
      dataDir: join(folder.path, "worker"),
      env: { ...env, WORKER_PORT: "0" },
    });
    closing.push(() => worker.kill("SIGKILL"));
    const port = /"port":(\d+)/.exec(worker.output())?.[1];
    return { broker, s3, database, smtp, node, worker, workerUrl: `http://127.0.0.1:${port}` };
  }

  beforeAll(async () => {
    folder = temporaryFolder();
    parts = await startParts();
  }, LIMIT_MS);
  afterAll(async () => {
    for (const close of closing.toReversed()) await close();
    await folder?.remove();
  });

  test(
    "each service that stops makes the node not ready, and is named",
    async () => {
      const { node, s3, database, smtp } = parts;
      await names(node.url, ["documents"], s3.stop, s3.start);
      await names(node.url, ["database"], database.stop, database.start);
      await names(node.url, ["mailer"], smtp.stop, smtp.start);
    },
    LIMIT_MS,
  );

  test(
    "the worker says the same of what it needs, and counts its jobs",
    async () => {
      const { node, worker, workerUrl, s3, database, smtp } = parts;
      await names(workerUrl, ["documents"], s3.stop, s3.start);
      await names(workerUrl, ["database"], database.stop, database.start);
      await smtp.stop();
      expect((await standing(workerUrl)).status).toBe(200);
      await smtp.start();

      const token = await signUp(node, "subject");
      const asked = await node.call("POST", "/api/stats/subject", {
        token,
        headers: { "X-Request-ID": "through-the-queue" },
      });
      await download(node, token, asked.body.result.id, 40_000);
      const jobs = 'guildhall_job_duration_seconds_count{outcome="done"}';
      await eventually(async () => (await metric(workerUrl, jobs)) === 1);
      expect(await metric(node.url, jobs)).toBeUndefined();
      const lineOf = (process: RunningProcess, message: string) =>
        process
          .output()
          .split("\n")
          .find((text) => text.includes(message) && text.includes("through-the-queue"));
      await eventually(() => lineOf(worker, "document stored") !== undefined);
      expect(JSON.parse(lineOf(worker, "document stored") ?? "")).toMatchObject({
        taskId: asked.body.result.id,
        requestId: "through-the-queue",
        ms: expect.any(Number),
      });
      expect(JSON.parse(lineOf(node, '"msg":"request"') ?? "{}")).toMatchObject({
        path: "/api/stats/subject",
        status: 200,
      });
    },
    LIMIT_MS,
  );

  test(
    "with a database that answers nothing, what else is known is told in time, and nothing that is not",
    async () => {
      const { node, database } = parts;
      await isReady(node.url);
      expect(await metric(node.url, 'guildhall_tasks{kind="DONE"}')).toBeDefined();
      database.faults.delayMs = 20_000;
      try {
        const answer = await fetch(`${node.url}/metrics`, { signal: AbortSignal.timeout(8_000) });
        const text = await answer.text();
        expect(text).toContain("guildhall_sockets 0");
        expect(text).not.toContain("guildhall_tasks{");
      } finally {
        database.faults.delayMs = 0;
      }
    },
    LIMIT_MS,
  );

  test("a worker tells how it is whatever the Host header says", async () => {
    for (const host of ["", "Host: %\r\n", "Host: a b\r\n"]) {
      const { hostname, port } = new URL(parts.workerUrl);
      const socket = connect(Number(port), hostname);
      socket.write(`GET /healthz/ HTTP/1.0\r\n${host}\r\n`);
      let answer = "";
      for await (const chunk of socket) answer += chunk;
      expect([host, answer.split("\r\n")[0]]).toEqual([host, "HTTP/1.1 200 OK"]);
    }
  });

  // The last one: a broker takes its time to come back, which other tests wait for.
  test(
    "a broker that stops is missed as the queue and as the bus",
    async () => {
      await isReady(parts.node.url);
      await parts.broker.stop();
      await eventually(async () => down(await standing(parts.node.url)).length === 2, NOTICED_MS, 50);
      expect(down(await standing(parts.node.url))).toEqual(["queue", "bus"]);
      await eventually(async () => down(await standing(parts.workerUrl)).length === 1, NOTICED_MS, 50);
      expect(down(await standing(parts.workerUrl))).toEqual(["queue"]);
    },
    LIMIT_MS,
  );
});
