import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { loadSettings } from "../src/config.ts";
import { signUp, V1 } from "./support/chat.ts";
import { freePort, NGINX, type RunningProxy, startCaddy, startNginx } from "./support/proxies.ts";
import { type RunningServer, startServer, temporaryFolder } from "./support/server.ts";
import { requireTool } from "./support/tools.ts";
import { ask } from "./support/walk.ts";

const DEPLOY = join(import.meta.dir, "../deploy");
const TLS = { tls: { rejectUnauthorized: false } } as const;

const PROXIES = [
  { name: "Caddy", tools: ["caddy", "curl"], start: startCaddy },
  { name: "nginx", tools: [NGINX, "openssl", "curl"], start: startNginx },
] as const;

describe.each(PROXIES)("behind $name with the file of deploy/", ({ name, tools, start }) => {
  const hasTools = tools.map(requireTool).every(Boolean);
  if (!hasTools) return;
  let folder: ReturnType<typeof temporaryFolder>;
  let server: RunningServer;
  let proxy: RunningProxy;
  /** The server as it is seen through the proxy. */
  let through: RunningServer;

  beforeAll(async () => {
    folder = temporaryFolder();
    const own = join(folder.path, name);
    await mkdir(own);
    // No worker: a task's stream stays open.
    server = await startServer({
      dataDir: join(folder.path, "data"),
      env: { TRUST_PROXY: "127.0.0.1" },
      args: ["--no-worker"],
    });
    // The second one is never there.
    const upstreams = [new URL(server.url).host, `127.0.0.1:${freePort()}`] as const;
    proxy = await start({ folder: own, upstreams });
    through = {
      ...server,
      url: proxy.url,
      call: (method, path, call = {}) =>
        send(method, path, call.body === undefined ? undefined : JSON.stringify(call.body), call),
    };
  }, 120_000);
  afterAll(async () => {
    await proxy?.stop();
    await server?.stop();
    await folder.remove();
  });

  async function send(
    method: string,
    path: string,
    body: string | undefined,
    {
      token,
      headers = {},
    }: { token?: string | undefined; headers?: Record<string, string> | undefined } = {},
  ) {
    const answer = await fetch(proxy.url + path, {
      ...TLS,
      method,
      headers: {
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    });
    const text = await answer.text();
    const isJson = answer.headers.get("Content-Type")?.includes("json") === true;
    return { status: answer.status, headers: answer.headers, text, body: isJson ? JSON.parse(text) : text };
  }

  test("requests are answered, and pages", async () => {
    expect((await through.call("GET", "/readyz")).body.status).toBe("ready");
    expect((await send("GET", "/chat", undefined)).text).toContain("<title>Guildhall</title>");
  });

  test("people talk over WebSockets", async () => {
    const [ann, bob] = [await signUp(through, "Ann"), await signUp(through, "Bob")];
    expect((await ann.call("POST", "/ws/create-room", { id: 7, name: "lobby" })).status).toBe(200);
    const sockets = await Promise.all([ann, bob].map(({ cookie }) => open(cookie)));
    sockets[0]?.ws.send(JSON.stringify({ type: "message", content: "Hello", key: "k" }));
    const frames = await Promise.all(sockets.map(({ said }) => said));
    expect(frames.map(({ content, username }) => [content, username])).toEqual([
      ["Hello", "Ann"],
      ["Hello", "Ann"],
    ]);
    for (const { ws } of sockets) ws.close();
  });

  /** A socket in room 7; `said` is the first message that comes. */
  async function open(cookie: string) {
    const ws = new WebSocket(`${proxy.url.replace(/^http/, "ws")}/ws/join-room/7`, {
      ...TLS,
      headers: { Cookie: cookie },
      protocols: [V1],
    });
    const welcomed = Promise.withResolvers<void>();
    const message = Promise.withResolvers<{ content: string; username: string }>();
    ws.onmessage = ({ data }) => {
      const frame = JSON.parse(String(data));
      if (frame.type === "welcome") welcomed.resolve();
      if (frame.type === "message") message.resolve(frame);
    };
    ws.onerror = () => welcomed.reject(new Error("no WebSocket through the proxy"));
    await welcomed.promise;
    return { ws, said: message.promise };
  }

  test("an event of a stream arrives while the stream is open", async () => {
    const registered = await through.call("POST", "/api/auth/register", {
      body: { username: "ada", email: "ada@example.org", sex: "x" },
    });
    const issued = await through.call("POST", "/api/auth/issue-access-token", {
      token: registered.body.result.refresh_token,
    });
    const token = issued.body.result.access_token;
    const id = await ask(through, token, "ada");
    const stream = await fetch(`${proxy.url}/api/stats/tasks/${id}/events`, {
      ...TLS,
      headers: { Authorization: `Bearer ${token}` },
    });
    const reader = stream.body?.getReader();
    const first = await reader?.read();
    expect(new TextDecoder().decode(first?.value)).toContain('"status":"PENDING"');
    expect(first?.done).toBe(false);
    await reader?.cancel();
  });

  test("the server sees the client's address, and not the one that the client claims", async () => {
    const body = { email: "eve@example.org", password: "SecurePassword123!", full_name: "Eve Doe" };
    expect((await through.call("POST", "/api/auth/register", { body })).status).toBe(201);
    const { email, password } = body;
    const child = Bun.spawn(
      [
        ...["curl", "--silent", "--insecure", "--interface", "127.0.0.2", `${proxy.url}/api/auth/login`],
        ...["--header", "Content-Type: application/json", "--data", JSON.stringify({ email, password })],
        ...["--header", "X-Forwarded-For: 6.6.6.6", "--header", "Forwarded: for=6.6.6.6"],
        ...["--header", "X-Real-IP: 6.6.6.6"],
      ],
      { stdout: "pipe" },
    );
    const signedIn = await child.stdout.json();
    const token = signedIn.access_token ?? signedIn.data?.access_token;
    const sessions = await through.call("GET", "/api/auth/sessions", { token });
    const current = sessions.body.data.find((session: { current: boolean }) => session.current);
    expect(current.address).toBe("127.0.0.2");
  });

  test("a body above the API's limit is refused in the API's own form, and one above the proxy's too", async () => {
    const text = (bytes: number) => JSON.stringify({ username: "x".repeat(bytes) });
    const refused = await send("POST", "/users", text(200 * 1024));
    expect([refused.status, refused.body.success]).toEqual([413, false]);
    // Caddy says 502 where the server has answered and hung up before Caddy came to its own limit.
    expect([413, 502]).toContain((await send("POST", "/users", text(9 * 1024 * 1024))).status);
  });

  test("what is for Prometheus is not for everybody", async () => {
    for (const path of ["/metrics", "/metrics/"]) {
      const answer = await send("GET", path, undefined);
      // Not even the error of the API, which would have an object.
      expect([answer.status, typeof answer.body]).toEqual([404, "string"]);
    }
  });
});

describe("Containerfile", () => {
  test("its probe tells a server that answers from one that does not", async () => {
    const text = await Bun.file(join(DEPLOY, "Containerfile")).text();
    const probe: string[] = JSON.parse(/HEALTHCHECK[^\n]*\\\n\s+CMD (\[.*\])/.exec(text)?.[1] ?? "[]");
    const run = (port: number | undefined) =>
      Bun.spawn(probe, { env: { PATH: process.env.PATH ?? "", PORT: String(port) }, stderr: "ignore" })
        .exited;
    const folder = temporaryFolder();
    const server = await startServer({ dataDir: folder.path, args: ["--no-worker"] });
    const failing = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(null, { status: 503 }),
    });
    try {
      expect(await run(Number(new URL(server.url).port))).toBe(0);
      expect(await run(failing.port)).not.toBe(0);
      await failing.stop(true);
      expect(await run(failing.port)).not.toBe(0);
    } finally {
      await server.stop();
      await folder.remove();
    }
  });

  test("the image is built from what .dockerignore lets through", async () => {
    const ignore = await Bun.file(join(DEPLOY, "../.dockerignore")).text();
    const kept = [...ignore.matchAll(/^!(\S+)$/gm)].map(([, path = ""]) => path);
    // Everything that the bundle and its build are made of, as the bundler says.
    const root = join(DEPLOY, "..");
    const entrypoints = ["src/main.ts", "src/web/main.tsx", "scripts/build.ts"].map((path) =>
      join(root, path),
    );
    const inputs = await Promise.all(
      entrypoints.map(async (entrypoint) => {
        const { metafile } = await Bun.build({ entrypoints: [entrypoint], target: "bun", metafile: true });
        return Object.keys(metafile?.inputs ?? {});
      }),
    );
    const own = inputs.flat().filter((path) => !path.startsWith("node_modules/") && !path.startsWith(".."));
    expect(own.length).toBeGreaterThan(200);
    expect(own.filter((path) => !kept.includes(path.split("/")[0] ?? ""))).toEqual([]);
  });
});

describe("compose.yaml", () => {
  type Service = {
    readonly image: string;
    readonly command?: readonly string[];
    readonly environment?: Record<string, string>;
    readonly volumes?: readonly string[];
    readonly mem_limit?: string;
    readonly depends_on?: Record<string, { readonly condition: string }>;
    readonly healthcheck?: { readonly disable?: boolean };
    readonly networks?: { readonly default: { readonly ipv4_address: string } };
  };
  type Compose = { readonly services: Record<string, Service>; readonly volumes: Record<string, null> };
  let text: string;
  let example: Map<string, string>;

  beforeAll(async () => {
    text = await Bun.file(join(DEPLOY, "compose.yaml")).text();
    const lines = (await Bun.file(join(DEPLOY, ".env.example")).text()).match(/^\w+=.*$/gm) ?? [];
    example = new Map(
      lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
  });

  /** As the client resolves it, with a value for what the example leaves to be filled in. */
  function resolved(): Compose {
    const values = text.replace(/\$\$|\$\{(\w+)(?::([?-])([^}]*))?\}/g, (whole, name, kind, otherwise) => {
      if (whole === "$$") return "$";
      return example.get(name) || (kind === "-" ? otherwise : `a value of more than 32 bytes for ${name}`);
    });
    return Bun.YAML.parse(values) as Compose;
  }

  test("asks for nothing that .env.example does not name, and the example names nothing else", () => {
    const asked = new Set([...text.matchAll(/\$\{(\w+)/g)].map(([, name = ""]) => name));
    expect([...asked].sort()).toEqual([...example.keys()].sort());
  });

  test("the example holds no secret", () => {
    for (const [name, value] of example)
      expect([name, /SECRET|PASSWORD|KEY|TOKEN/.test(name) ? value : ""]).toEqual([name, ""]);
  });

  test("gives the nodes settings that are valid, and the proxy that they trust its address", () => {
    const { services } = resolved();
    for (const name of ["api-1", "api-2", "worker-1", "worker-2"]) {
      const { environment = {} } = services[name] ?? {};
      const { config, warnings, shown } = loadSettings({}, { ...environment, PORT: "8080" });
      expect([name, warnings]).toEqual([name, []]);
      expect(config.trustProxy).toEqual([services.caddy?.networks?.default.ipv4_address ?? ""]);
      const known = shown.map((setting) => setting.name);
      const unknown = Object.keys(environment).filter(
        (key) => !known.includes(key) && !key.startsWith("AWS_"),
      );
      expect([name, unknown]).toEqual([name, []]);
    }
  });

  test("everything has a tag, a bound on its memory, and starts after what it needs is there", () => {
    const { services, volumes } = resolved();
    for (const [name, service] of Object.entries(services)) {
      expect([name, service.image]).toEqual([name, expect.stringMatching(/:[\w.-]+$/)]);
      expect([name, service.mem_limit]).toEqual([name, expect.stringMatching(/^\d+[mg]$/)]);
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        expect(services).toHaveProperty(other);
        if (condition === "service_healthy") expect(services[other]?.healthcheck?.disable).not.toBe(true);
      }
      for (const volume of service.volumes ?? []) {
        const [source = ""] = volume.split(":");
        if (source.startsWith("./"))
          expect([source, existsSync(join(DEPLOY, source))]).toEqual([source, true]);
        else expect(volumes).toHaveProperty(source);
      }
    }
    expect(services["api-1"]?.command).toEqual(["serve", "--no-worker"]);
    expect(services["worker-1"]?.command).toEqual(["worker"]);
  });
});

describe("the units of systemd", () => {
  const hasTool = requireTool("systemd-analyze");
  const UNITS = { server: "guildhall.service", worker: "guildhall-worker@.service" } as const;
  const read = (name: string) => Bun.file(join(DEPLOY, name)).text();

  test.skipIf(!hasTool).each(Object.values(UNITS))(
    "%s has no fault, and lets the program do little",
    async (name) => {
      const folder = temporaryFolder();
      try {
        // What is checked is the unit: any program will do.
        const unit = (await read(name)).replace(/^ExecStart=.*$/m, "ExecStart=/bin/true");
        const path = join(folder.path, name.replace("@", "@1"));
        await Bun.write(path, unit);
        const verified = Bun.spawnSync(["systemd-analyze", "verify", path]);
        expect([verified.exitCode, verified.stderr.toString()]).toEqual([0, ""]);
        const scored = Bun.spawnSync([
          "systemd-analyze",
          "security",
          "--offline=true",
          "--threshold=15",
          path,
        ]);
        expect([scored.exitCode, scored.stderr.toString()]).toEqual([0, ""]);
      } finally {
        await folder.remove();
      }
    },
  );

  test("a worker is confined as the server is", async () => {
    const lines = async (name: string) =>
      (await read(name)).split("\n").filter((line) => /^[A-Z]\w+=/.test(line));
    const [server, worker] = [await lines(UNITS.server), await lines(UNITS.worker)];
    expect(server.filter((line) => !worker.includes(line))).toEqual([
      "Description=Guildhall",
      "After=network-online.target",
      "ExecStart=/usr/local/bin/guildhall serve",
    ]);
    expect(worker).toHaveLength(server.length);
  });
});
