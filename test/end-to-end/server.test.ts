import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { chmod, stat } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { eventually } from "../adapters/eventually.ts";
import {
  childrenOf,
  type RunningProcess,
  startServer,
  startWorker,
  temporaryFolder,
} from "../support/server.ts";
import { requireTool } from "../support/tools.ts";
import { ask, download, signUp } from "../support/walk.ts";

const ROOT = join(import.meta.dir, "../..");
// Absent tools skip these tests, and fail them under CI.
const hasTools = ["curl", "pdftotext"].map(requireTool).every(Boolean);
let folder: ReturnType<typeof temporaryFolder>;
const running = new Set<RunningProcess>();

beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(async () => {
  for (const process of running) process.kill("SIGKILL");
  await Promise.all([...running].map((process) => process.exited));
  running.clear();
  await folder.remove();
});

async function serve(env: Record<string, string> = {}, ...args: string[]) {
  const server = await startServer({ dataDir: folder.path, env, args });
  running.add(server);
  return server;
}

/** Runs a command to its end. */
async function run(
  args: readonly string[],
  { stdin = "", env = {} }: { stdin?: string; env?: Record<string, string> } = {},
) {
  const child = Bun.spawn(["bun", "src/main.ts", ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? "", DATA_DIR: folder.path, ...env },
    stdin: new TextEncoder().encode(stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { out, err, code };
}

async function textOf(pdf: Uint8Array): Promise<string> {
  const child = Bun.spawn(["pdftotext", "-layout", "-", "-"], { stdin: pdf, stdout: "pipe" });
  return new Response(child.stdout).text();
}

describe("the first start", () => {
  test("prints where it is and how to make an admin, and keeps its secrets to itself", async () => {
    const server = await serve();
    expect(server.output()).toContain(`app         ${server.url}`);
    expect(server.output()).toContain("queue       in the database");
    expect(server.output()).toContain("user add you@example.org --role admin --password-stdin");
    expect((await stat(join(folder.path, "secrets.json"))).mode & 0o777).toBe(0o600);
    expect(await Bun.file(join(folder.path, ".gitignore")).text()).toBe("*\n");
    expect(await server.stop()).toBe(0);
  });

  test.skipIf(!hasTools)("a document comes out whose text names the player and the numbers", async () => {
    const server = await serve();
    const created = await server.call("POST", "/users", {
      body: { username: "Игрок Ω player", password: "secret-1", email: "player@example.org" },
    });
    const { token, stats } = created.body;
    await server.call("PUT", stats, {
      token,
      body: { victory_count: 4711, loss_count: 815, session_count: 5526, total_time: 36_000 },
    });
    const text = await textOf(await download(server, token, await ask(server, token, "Игрок Ω player")));
    for (const wanted of ["Игрок Ω player", "4711", "815", "5526", "10"]) expect(text).toContain(wanted);
    expect(text).not.toContain("player@example.org");

    const path = `${created.body.self}/pdf`;
    expect((await server.call("POST", path, { token })).body).toEqual({ url: path });
    await eventually(async () => (await server.call("GET", path, { token })).status === 200);
  });

  test.skipIf(!hasTools)(
    "the README's walk, word for word, ends with a PDF that names the player and the numbers",
    async () => {
      const server = await serve({ RATE_LIMIT: "on" });
      const readme = await Bun.file(join(ROOT, "README.md")).text();
      const walk = /## From nothing to a PDF\n\n[^`]*```sh\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
      expect(walk.trim().split("\n")).toHaveLength(5);
      const script = walk.replace("http://127.0.0.1:8080", server.url);
      const child = Bun.spawn(["bash", "-euc", script], { cwd: folder.path, stdout: "pipe", stderr: "pipe" });
      expect([await child.exited, await new Response(child.stderr).text()]).toEqual([0, ""]);
      const text = await textOf(await Bun.file(join(folder.path, "ada.pdf")).bytes());
      for (const wanted of ["ada", "medic", "Win", "30 min"]) expect(text).toContain(wanted);
    },
    20_000,
  );

  test("health, readiness and the OpenAPI document", async () => {
    const server = await serve();
    expect((await server.call("GET", "/healthz")).body).toEqual({ status: "alive" });
    const up = { state: "up", ms: expect.any(Number) };
    const ready = await server.call("GET", "/readyz");
    expect(ready.status).toBe(200);
    expect(ready.body).toEqual({
      status: "ready",
      checks: { database: up, queue: up, documents: up, mailer: up },
    });
    const printed = await run(["openapi"]);
    expect((await server.call("GET", "/openapi.json")).body).toEqual(JSON.parse(printed.out));
    expect((await server.call("GET", "/")).headers.get("Content-Type")).toStartWith("text/html");
  });
});

describe("stopping", () => {
  test.each(["SIGTERM", "SIGINT"] as const)("%s ends it with code 0, its renderer too", async (signal) => {
    const server = await serve();
    await eventually(async () => (await childrenOf(server.pid)).length > 0);
    const children = await childrenOf(server.pid);
    server.kill(signal);
    expect(await server.exited).toBe(0);
    await eventually(() => children.every((pid) => !existsSync(`/proc/${pid}`)));
  });

  test("within 10 s with jobs running and connections open; nothing is lost", async () => {
    const server = await serve();
    const token = await signUp(server, "subject");
    const ids = await Promise.all(Array.from({ length: 30 }, () => ask(server, token, "subject")));
    const open = connect(Number(new URL(server.url).port), "127.0.0.1");
    open.on("error", () => {});
    open.write("GET /api/users/myself HTTP/1.1\r\n");
    const events = fetch(`${server.url}/api/stats/tasks/${ids.at(-1)}/events`, {
      headers: { Authorization: token },
    });
    await events;
    const startedAt = performance.now();
    expect(await server.stop()).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    open.destroy();

    const again = await serve();
    for (const id of ids) await download(again, token, id);
  }, 120_000);

  test("a worker of its own ends with code 0 as well", async () => {
    const worker = await startWorker({ dataDir: folder.path });
    running.add(worker);
    expect(await worker.stop()).toBe(0);
  });
});

describe("several processes on one folder", () => {
  test("a second server is refused in words", async () => {
    await serve();
    const second = await run(["serve"], { env: { PORT: "0" } });
    expect(second.code).toBe(1);
    expect(second.err).toBe(
      `Another server already runs on ${folder.path}. Stop it, or choose another DATA_DIR.\n`,
    );
  });

  test("workers of their own find what the server accepts", async () => {
    const server = await serve({}, "--no-worker");
    const workers = await Promise.all([1, 2].map(() => startWorker({ dataDir: folder.path })));
    for (const worker of workers) running.add(worker);
    const token = await signUp(server, "subject");
    const ids = await Promise.all(Array.from({ length: 10 }, () => ask(server, token, "subject")));
    await Promise.all(ids.map((id) => download(server, token, id)));
  }, 120_000);

  test("a port for its state that is taken is told in words, before a worker takes anything", async () => {
    const server = await serve();
    const env = { WORKER_PORT: new URL(server.url).port };
    const { err, code } = await run(["worker"], { env });
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/^Cannot listen on 127\.0\.0\.1:\d+ \(WORKER_PORT\): /),
    ]);
  });

  test("a port that is taken is told in words", async () => {
    const server = await serve();
    const other = temporaryFolder();
    const { port } = new URL(server.url);
    const second = await run(["serve", "--port", port, "--data-dir", other.path]);
    await other.remove();
    expect(second.code).toBe(1);
    expect(second.err).toStartWith(`Cannot listen on 127.0.0.1:${port}: `);
  });
});

describe("administration from the shell, while the server runs", () => {
  const PASSWORD = "Correct-Horse-1";

  test("an admin is made, signs in, and is disabled at once", async () => {
    const server = await serve();
    const added = await run(["user", "add", "Boss@Example.org", "--role", "admin", "--password-stdin"], {
      stdin: `${PASSWORD}\n`,
    });
    expect(added).toEqual({
      out: "Boss <Boss@Example.org> was added with the role admin.\n",
      err: "",
      code: 0,
    });
    const login = await server.call("POST", "/login", { body: { username: "boss", password: PASSWORD } });
    const { token } = login.body;
    const other = await signUp(server, "other");
    const id = await ask(server, other, "other");
    expect((await server.call("GET", `/api/stats/tasks/${id}`, { token })).status).toBe(200);

    const listed = await run(["user", "list"]);
    expect(listed.out).toBe(
      "1\tBoss\tBoss@Example.org\tactive\tadmin\n2\tother\tplayer@example.org\tactive\t\n",
    );

    const last = await run(["user", "revoke", "boss@example.org", "admin"]);
    expect(last).toEqual({ out: "", err: "The last administrator cannot be removed.\n", code: 1 });
    await run(["user", "add", "second@example.org", "--password-stdin"], { stdin: PASSWORD });
    expect((await run(["user", "grant", "second@example.org", "admin"])).code).toBe(0);
    expect((await run(["user", "revoke", "boss@example.org", "admin"])).code).toBe(0);
    expect((await server.call("GET", `/api/stats/tasks/${id}`, { token })).status).toBe(404);

    expect((await run(["user", "disable", "boss@example.org"])).code).toBe(0);
    expect((await server.call("GET", `/api/stats/tasks/${id}`, { token })).status).toBe(401);
  });

  test.each([
    ["a weak password", ["user", "add", "a@example.org", "--password-stdin"], "An account with a role needs"],
    [
      "an unknown role",
      ["user", "add", "a@example.org", "--role", "king", "--password-stdin"],
      'There is no role "king".',
    ],
    [
      "no e-mail address",
      ["user", "add", "somebody", "--password-stdin"],
      '"somebody" is no e-mail address.',
    ],
    ["an unknown account", ["user", "grant", "a@example.org", "admin"], "There is no such user."],
  ])("%s is refused in words", async (name, args, message) => {
    const answer = await run(args, { stdin: name === "a weak password" ? "weak" : PASSWORD });
    expect(answer.code).toBe(1);
    expect(answer.err).toStartWith(message);
    expect((await run(["user", "list"])).out).toBe("");
  });
});

describe("settings", () => {
  test("each problem is one line, and nothing starts", async () => {
    const env = { PORT: "99999", JWT_SECRET: "short", AMQP_URL: "http://x", LOG_LEVEL: "loud" };
    for (const args of [["config", "check"], ["serve"]]) {
      const answer = await run(args, { env });
      expect([answer.code, answer.out]).toEqual([2, ""]);
      expect(
        answer.err
          .trim()
          .split("\n")
          .map((line) => line.split(":")[0]),
      ).toEqual(["PORT", "AMQP_URL", "JWT_SECRET", "LOG_LEVEL"]);
    }
  });

  test("a misspelt name is warned about", async () => {
    const answer = await run(["config", "check"], { env: { DATABSE_URL: "file:x", S3_BUKET: "b" } });
    expect(answer).toEqual({
      out: "The settings are valid.\n",
      err: "DATABSE_URL is not a setting; did you mean DATABASE_URL?\nS3_BUKET is not a setting; did you mean S3_BUCKET?\n",
      code: 0,
    });
  });

  test("they are shown with their source and without secrets", async () => {
    const env = { JWT_SECRET: "x".repeat(40), AMQP_URL: "amqp://user:hidden@localhost", PORT: "1234" };
    const { out } = await run(["config", "show"], { env });
    expect(out).toContain("PORT=1234  (environment)\n");
    expect(out).toContain("HOST=127.0.0.1  (default)\n");
    expect(out).toContain("JWT_SECRET=(set, not shown)  (environment)\n");
    expect(out).not.toContain("xxxx");
    expect(out).not.toContain("hidden");
  });

  test("a wrong command is told with code 2", async () => {
    expect((await run(["srve"])).code).toBe(2);
    expect((await run(["serve", "--nonsense"])).code).toBe(2);
    expect((await run(["--version"])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("over a real connection", () => {
  test("a registration of unknown length is read up to the limit, and goes to the form that it is", async () => {
    const server = await serve();
    const chunked = (text: string) =>
      fetch(`${server.url}/api/auth/register`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: new Blob([text]).stream(),
      });
    const good = await chunked(JSON.stringify({ username: "chunky", email: "c@example.org", sex: "x" }));
    expect([good.status, await good.json()]).toEqual([
      200,
      { result: { refresh_token: expect.any(String) } },
    ]);
    const large = await chunked(`{"username":"${"x".repeat(200_000)}"}`);
    expect([large.status, await large.json()]).toEqual([
      413,
      { error: { code: "BODY_TOO_LARGE", message: expect.any(String) } },
    ]);
  });

  test("without a Host header, as old health checks come", async () => {
    const { hostname, port } = new URL((await serve()).url);
    const ask = async (request: string): Promise<string> => {
      const socket = connect(Number(port), hostname);
      socket.write(request);
      let answer = "";
      for await (const chunk of socket) answer += chunk;
      return answer;
    };
    expect(await ask("GET /healthz HTTP/1.0\r\n\r\n")).toContain(" 200 OK");
    const form = '{"username":"old","email":"old@example.org","sex":"x"}';
    const registered = await ask(
      "POST /api/auth/register?x=1 HTTP/1.0\r\nContent-Type: application/json\r\n" +
        `Content-Length: ${form.length}\r\n\r\n${form}`,
    );
    expect(registered).toContain("refresh_token");
  });

  test("a reader of what a command prints may have had enough", async () => {
    const piped = ["bash", "-c", "set -o pipefail; bun src/main.ts openapi | head -c 1"];
    const child = Bun.spawn(piped, { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    expect([out, err, code]).toEqual(["{", "", 0]);
  });

  test("a body far above the limit is refused without being read", async () => {
    const server = await serve();
    const answer = await server.call("PUT", "/api/users/myself", { body: { sex: "x".repeat(8_000_000) } });
    expect([answer.status, answer.body.error.code]).toEqual([413, "BODY_TOO_LARGE"]);
    expect((await server.call("GET", "/healthz")).status).toBe(200);
  });
});

describe("a start that fails for a reason that the user can mend", () => {
  const SECRET = "x".repeat(40);

  test("a folder that cannot be made", async () => {
    const inside = join(folder.path, "file");
    await Bun.write(inside, "");
    for (const args of [["serve"], ["migrate"], ["worker"]]) {
      const answer = await run([...args, "--data-dir", join(inside, "data")]);
      expect([answer.code, answer.out]).toEqual([1, ""]);
      expect(answer.err).toMatch(/^The folder \S+ cannot be used \(DATA_DIR\): ENOTDIR.*\n$/);
    }
  });

  test.each(["", "{", "{}"])("secrets.json with the text '%s'", async (text) => {
    await Bun.write(join(folder.path, "secrets.json"), text);
    const answer = await run(["serve"]);
    expect([answer.code, answer.out]).toEqual([1, ""]);
    expect(answer.err).toMatch(/^\S+secrets\.json is empty or broken\. .*\n$/);
  });

  test("a database that a newer program has written", async () => {
    await run(["migrate"]);
    const database = new Database(join(folder.path, "guildhall.db"));
    database.run("INSERT INTO schema_migrations (id, name, applied_at) VALUES (9999, '9999_later', 0)");
    database.close();
    for (const args of [["serve"], ["migrate"]]) {
      const answer = await run(args);
      expect([answer.code, answer.out]).toEqual([1, ""]);
      expect(answer.err).toMatch(/^The database has the migration 9999_later, .*\n$/);
    }
  });

  test("a file that is no database", async () => {
    await Bun.write(join(folder.path, "guildhall.db"), "no database at all ".repeat(100));
    const answer = await run(["migrate"]);
    expect([answer.code, answer.out]).toEqual([1, ""]);
    expect(answer.err).toMatch(/^The database file \S+ cannot be opened: .*\n$/);
  });

  test("a database server that is down", async () => {
    const env = { DATABASE_URL: "http://127.0.0.1:1", JWT_SECRET: SECRET };
    for (const args of [["serve"], ["migrate"]]) {
      expect(await run(args, { env })).toEqual({
        out: "",
        err: "The database server could not be reached, or did not answer in time.\n",
        code: 1,
      });
    }
  });

  test("a database URL that names nothing is found by the check too", async () => {
    const env = { DATABASE_URL: "file:x?mode=ro" };
    for (const args of [["config", "check"], ["serve"]]) {
      const answer = await run(args, { env });
      expect([answer.code, answer.out]).toEqual([2, ""]);
      expect(answer.err).toMatch(/^DATABASE_URL: .*a file has no options\.\n$/);
    }
  });
});

describe("a folder that was there before", () => {
  test("its files are for their owner alone, whoever may look into it", async () => {
    await chmod(folder.path, 0o755);
    const server = await serve();
    for (const name of ["guildhall.db", "guildhall.db-wal", "serve.lock", "secrets.json"]) {
      expect([name, (await stat(join(folder.path, name))).mode & 0o777]).toEqual([name, 0o600]);
    }
    expect(await server.stop()).toBe(0);
  });

  test("the printed command works where it is printed, in a folder whose name needs quotes too", async () => {
    const dataDir = join(folder.path, "it's #1");
    const server = await serve({}, "--data-dir", dataDir);
    const command = /Make one \(you are asked for the password\):\n +(.+)\n/.exec(server.output())?.[1] ?? "";
    const child = Bun.spawn(["sh", "-c", command], {
      cwd: ROOT,
      env: { PATH: process.env.PATH ?? "" },
      stdin: new TextEncoder().encode("Correct-Horse-1\n"),
      stdout: "pipe",
      stderr: "pipe",
    });
    expect([await child.exited, await new Response(child.stderr).text()]).toEqual([0, ""]);
    expect((await run(["user", "list", "--data-dir", dataDir])).out).toContain(
      "\tyou@example.org\tactive\tadmin",
    );
  });
});

describe("flags", () => {
  test("an empty port or folder is wrong usage", async () => {
    for (const args of [
      ["serve", "--port", ""],
      ["serve", "--data-dir", ""],
    ]) {
      const answer = await run(args);
      expect([answer.code, answer.out]).toEqual([2, ""]);
      expect(answer.err).toContain("It is empty.");
    }
  });

  test("the settings are looked at with another folder", async () => {
    const { out } = await run(["config", "show", "--data-dir", "/srv/club"]);
    expect(out).toContain("DATA_DIR=/srv/club  (flag)\n");
    expect(out).toContain("DATABASE_URL=file:///srv/club/guildhall.db  (default)\n");
    expect((await run(["config", "check", "--data-dir", "/srv/club"])).code).toBe(0);
  });
});

describe("what the shell does is noted", () => {
  test("as done by nobody's account", async () => {
    await run(["user", "add", "a@example.org", "--password-stdin"], { stdin: "Correct-Horse-1" });
    expect((await run(["user", "disable", "a@example.org"])).code).toBe(0);
    const database = new Database(join(folder.path, "guildhall.db"));
    const query = database.query("SELECT actor_id FROM audit_entries ORDER BY id DESC LIMIT 1");
    expect(query.values()).toEqual([[null]]);
    database.close();
  });
});
