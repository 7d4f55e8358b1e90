import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { taggedVersion } from "../../scripts/tagged-version.ts";
import { PUBLIC_URL, startTestApp } from "../support/app.ts";
import { startServer, temporaryFolder } from "../support/server.ts";
import { requireTool } from "../support/tools.ts";
import { ask, download } from "../support/walk.ts";

const ROOT = join(import.meta.dir, "../..");
// Absent tools skip these tests, and fail them under CI.
const hasTools = ["curl", "pdftotext"].map(requireTool).every(Boolean);
let folder: ReturnType<typeof temporaryFolder>;
let program: string;
let empty: string;

/** What somebody may put into the folder that the program is started in. */
const HOSTILE = {
  ".env": "PORT=1\nJWT_SECRET=short\nDATABASE_URL=libsql://evil.example\n",
  ".env.production": "HOST=0.0.0.0\n",
  "bunfig.toml": 'preload = ["./evil.ts"]\n',
  "package.json": '{"imports": {"#evil": "./evil.ts"}, "name": "evil", "version": "6.6.6"}',
  "tsconfig.json": '{"compilerOptions": {"jsxImportSource": "./evil", "paths": {"*": ["./evil.ts"]}}}',
  "evil.ts": "process.stdout.write('EVIL'); process.exit(66);",
};

beforeAll(async () => {
  folder = temporaryFolder();
  empty = join(folder.path, "empty");
  await mkdir(empty);
  const built = Bun.spawn(["bun", "run", "build"], { cwd: ROOT, stdout: "ignore", stderr: "pipe" });
  if ((await built.exited) !== 0) throw new Error(await new Response(built.stderr).text());
  program = join(empty, "guildhall");
  await copyFile(join(ROOT, "dist/guildhall"), program);
  // What lies beside it must not be read.
  for (const [name, text] of Object.entries(HOSTILE)) await writeFile(join(empty, name), text);
  await chmod(empty, 0o555);
}, 60_000);
afterAll(async () => {
  await chmod(empty, 0o755);
  await folder.remove();
});

/** As a user who may not write there; root may write anywhere. */
const asNobody =
  process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];

describe("the executable, alone in a read-only folder with an empty environment", () => {
  test.skipIf(!hasTools)(
    "makes a document that names the player and the numbers",
    async () => {
      const dataDir = join(folder.path, "data");
      await mkdir(dataDir);
      await chmod(dataDir, 0o777);
      await chmod(folder.path, 0o755);
      const command = [...asNobody, "/usr/bin/env", "-i", `DATA_DIR=${dataDir}`, "PORT=0", program];
      const server = await startServer({ dataDir, command, cwd: empty });
      try {
        expect(server.output()).toContain(`${program} user add`);
        const { token, stats } = (
          await server.call("POST", "/users", {
            body: { username: "Åsa 漢字 Игрок", password: "secret-1", email: "player@example.org" },
          })
        ).body;
        const body = { victory_count: 4711, loss_count: 815, session_count: 5526, total_time: 36_000 };
        expect((await server.call("PUT", stats, { token, body })).status).toBe(200);
        const text = await textOf(await download(server, token, await ask(server, token, "Åsa 漢字 Игрок")));
        for (const wanted of ["Åsa 漢字 Игрок", "4711", "815", "5526", "10"]) expect(text).toContain(wanted);
        expect((await readdir(empty)).sort()).toEqual([...Object.keys(HOSTILE), "guildhall"].sort());
        expect((await readdir(dataDir)).sort()).toContain("guildhall.db");
        if (asNobody.length > 0) await expect(writeAsNobody(join(empty, "x"))).resolves.not.toBe(0);
      } finally {
        expect(await server.stop()).toBe(0);
      }
    },
    30_000,
  );

  test.skipIf(!hasTools)(
    "goes the README's walk, word for word, to a PDF that names the player and the numbers",
    async () => {
      const walkDir = join(folder.path, "walk");
      await mkdir(walkDir);
      const dataDir = join(walkDir, "data");
      await mkdir(dataDir);
      await chmod(dataDir, 0o777);
      await chmod(folder.path, 0o755);
      const command = [...asNobody, "/usr/bin/env", "-i", `DATA_DIR=${dataDir}`, "PORT=0", program];
      const server = await startServer({ dataDir, command, cwd: empty });
      try {
        const readme = await Bun.file(join(ROOT, "README.md")).text();
        const walk = /## From nothing to a PDF\n\n[^`]*```sh\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
        expect(walk.trim().split("\n")).toHaveLength(5);
        const script = walk.replace("http://127.0.0.1:8080", server.url);
        const child = Bun.spawn(["bash", "-euc", script], { cwd: walkDir, stdout: "ignore", stderr: "pipe" });
        const errors = await new Response(child.stderr).text();
        expect([await child.exited, errors]).toEqual([0, ""]);
        const text = await textOf(await Bun.file(join(walkDir, "ada.pdf")).bytes());
        for (const wanted of ["ada", "medic", "Win", "30 min"]) expect(text).toContain(wanted);
      } finally {
        expect(await server.stop()).toBe(0);
      }
    },
    30_000,
  );

  test("has the browser app in it, whose files are those that the source makes", async () => {
    const dataDir = join(folder.path, "app-data");
    const server = await startServer({ dataDir, command: [program], cwd: empty, args: ["--no-worker"] });
    const app = await startTestApp();
    try {
      const html = await (await fetch(`${server.url}/chat`)).text();
      const files = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path = ""]) => path);
      expect(files.length).toBeGreaterThan(2);
      for (const path of ["/", ...files]) {
        const headers = { "Accept-Encoding": "br" };
        const embedded = await fetch(server.url + path, { headers });
        expect([path, embedded.headers.get("Content-Encoding")]).toEqual([path, "br"]);
        const fromSource = await app.fetch(new Request(PUBLIC_URL + path));
        expect(Buffer.compare(await embedded.bytes(), await fromSource.bytes())).toBe(0);
      }
    } finally {
      await app.close();
      await server.stop();
    }
  });

  async function run(env: Record<string, string>, ...args: string[]) {
    const child = Bun.spawn([program, ...args], { cwd: empty, env, stdout: "pipe", stderr: "pipe" });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { code: await child.exited, out, err };
  }

  test("takes no setting and no code from files beside it", async () => {
    const { code, out, err } = await run({}, "config", "show", "--data-dir", join(folder.path, "unused"));
    expect([code, err]).toEqual([0, ""]);
    for (const line of out.trim().split("\n")) expect(line).toMatch(/ \(default\)$|^DATA_DIR=.* \(flag\)$/);
    expect(out).toContain("PORT=8080");
  });

  const preload = () => join(empty, "evil.ts");
  test.each([
    ["BUN_OPTIONS with a preload", () => ({ BUN_OPTIONS: `--preload=${preload()}` })],
    ["BUN_OPTIONS with a bunfig.toml", () => ({ BUN_OPTIONS: `--config=${join(empty, "bunfig.toml")}` })],
    ["BUN_INSPECT", () => ({ BUN_INSPECT: "127.0.0.1:0" })],
  ])("refuses to start with %s, which would bring code in", async (_, env) => {
    const { code, out } = await run(env(), "config", "show");
    expect(code).not.toBe(0);
    expect(code).not.toBe(66);
    expect(out).toBe("");
  });

  test.each([
    { BUN_OPTIONS: "--inspect=127.0.0.1:0" },
    { BUN_OPTIONS: "--env-file=.env" },
    { BUN_OPTIONS: "--disallow-code-generation-from-strings" },
    { BUN_INSPECT_CONNECT_TO: "ws://127.0.0.1:9" },
    { NODE_OPTIONS: "--require=./evil.ts" },
  ])("%j has no effect", async (env) => {
    const { code, out } = await run(env, "config", "show", "--data-dir", join(folder.path, "unused"));
    expect([code, out.includes("EVIL"), out.includes("PORT=8080")]).toEqual([0, false, true]);
  });

  test("says the version that it was built as, and prints the licences of what is in it", async () => {
    const version = await taggedVersion(ROOT);
    expect((await run({}, "--version")).out).toBe(`${version}\n`);
    const { out } = await run({}, "licenses");
    for (const wanted of ["SIL OPEN FONT LICENSE", "Swagger UI", "## amqplib", "## The runtime: Bun"])
      expect(out).toContain(wanted);
  });

  test("makes a backup by itself, in a child of its own", async () => {
    const dataDir = join(folder.path, "backed-up");
    const server = await startServer({ dataDir, command: [program], cwd: empty, args: ["--no-worker"] });
    try {
      for (const command of ["create", "verify"]) {
        const child = Bun.spawn([program, "backup", command, "--data-dir", dataDir], { cwd: empty, env: {} });
        expect(await new Response(child.stdout).text()).toMatch(/^manual-\w+: /);
        expect(await child.exited).toBe(0);
      }
    } finally {
      expect(await server.stop()).toBe(0);
    }
  });

  test("knows the same commands", async () => {
    const child = Bun.spawn([program, "--help"], { cwd: empty, env: {}, stdout: "pipe" });
    const help = await new Response(child.stdout).text();
    for (const command of ["serve", "worker", "migrate", "user", "backup", "config", "openapi", "licenses"])
      expect(help).toContain(command);
  });
});

async function textOf(pdf: Uint8Array): Promise<string> {
  const child = Bun.spawn(["pdftotext", "-layout", "-", "-"], { stdin: pdf, stdout: "pipe" });
  return new Response(child.stdout).text();
}

/** Shows that the folder is read-only to who the program ran as. */
async function writeAsNobody(path: string): Promise<number> {
  return Bun.spawn([...asNobody, "touch", path], { stdout: "ignore", stderr: "ignore" }).exited;
}
