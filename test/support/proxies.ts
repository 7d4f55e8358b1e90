import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "../adapters/eventually.ts";

// The proxies with the files of deploy/, in which only what belongs to a machine is replaced.
const DEPLOY = join(import.meta.dir, "../../deploy");
export const NGINX = "/usr/sbin/nginx";
const START_MS = 10_000;

export type RunningProxy = {
  readonly url: string;
  stop(): Promise<void>;
};

export type ProxyOptions = {
  /** Its own, for what it writes. */
  readonly folder: string;
  /** host:port of the servers behind it; nginx takes the first. */
  readonly upstreams: readonly [string, ...string[]];
  /** How often Caddy asks them whether they are ready, instead of what the file says. */
  readonly healthInterval?: string;
};

/** Caddy with deploy/Caddyfile, over plain HTTP. */
export async function startCaddy({ folder, upstreams, healthInterval }: ProxyOptions): Promise<RunningProxy> {
  const [port, documents] = [freePort(), freePort()];
  const site = await replaced("Caddyfile", [
    ["api-1:8080 api-2:8080", upstreams.join(" ")],
    ["health_interval 1s", `health_interval ${healthInterval ?? "1s"}`],
  ]);
  const file = join(folder, "Caddyfile");
  await Bun.write(file, `{\n\tadmin off\n}\n${site}`);
  const url = `http://127.0.0.1:${port}`;
  return start(["caddy", "run", "--config", file, "--adapter", "caddyfile"], url, {
    HOME: folder,
    DOMAIN: url,
    DOCUMENTS_DOMAIN: `http://127.0.0.1:${documents}`,
  });
}

/** nginx with deploy/nginx.conf and a certificate that nobody trusts. */
export async function startNginx({ folder, upstreams }: ProxyOptions): Promise<RunningProxy> {
  const [port, plain] = [freePort(), freePort()];
  const [certificate, key] = [join(folder, "fullchain.pem"), join(folder, "privkey.pem")];
  const made = Bun.spawnSync([
    ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-subj", "/CN=club.example.org", "-keyout", key, "-out", certificate, "-days", "2"],
  ]);
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
  const site = await replaced("nginx.conf", [
    ["server 127.0.0.1:8080;", `server ${upstreams[0]};`],
    ["listen 80;", `listen 127.0.0.1:${plain};`],
    ["listen [::]:80;", ""],
    ["listen 443 ssl http2;", `listen 127.0.0.1:${port} ssl http2;`],
    ["listen [::]:443 ssl http2;", ""],
    ["/etc/letsencrypt/live/club.example.org/fullchain.pem", certificate],
    ["/etc/letsencrypt/live/club.example.org/privkey.pem", key],
  ]);
  await mkdir(join(folder, "logs"), { recursive: true });
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const file = join(folder, "nginx.conf");
  // As root it would otherwise change to a user who may not look into the folder.
  const user = process.getuid?.() === 0 ? "user root;" : "";
  const main = `${user} daemon off; pid ${folder}/nginx.pid; error_log stderr warn; events {}`;
  await Bun.write(file, `${main}\nhttp {\naccess_log off; ${paths.join(" ")}\n${site}\n}\n`);
  return start([NGINX, "-p", folder, "-c", file, "-g", ""], `https://127.0.0.1:${port}`, {});
}

/** The file with each text replaced that is in it exactly once. */
async function replaced(name: string, changes: readonly (readonly [string, string])[]): Promise<string> {
  let text = await Bun.file(join(DEPLOY, name)).text();
  for (const [from, to] of changes) {
    const parts = text.split(from);
    if (parts.length !== 2)
      throw new Error(`deploy/${name} has "${from}" ${parts.length - 1} times, not once`);
    text = parts.join(to);
  }
  return text;
}

async function start(command: string[], url: string, env: Record<string, string>): Promise<RunningProxy> {
  const child = Bun.spawn(command, {
    env: { PATH: process.env.PATH ?? "", ...env },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  let output = "";
  const read = (async () => {
    for await (const chunk of child.stderr) output += new TextDecoder().decode(chunk);
  })();
  async function stop(): Promise<void> {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 2_000);
    await child.exited;
    clearTimeout(timer);
    await read;
  }
  try {
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`${command[0]} ended:\n${output}`);
      const answer = await fetch(`${url}/healthz`, { tls: { rejectUnauthorized: false } }).catch(() => null);
      return answer?.status === 200;
    }, START_MS);
  } catch (error) {
    await stop();
    throw new Error(`${error instanceof Error ? error.message : error}\n${output}`);
  }
  return { url, stop };
}

/** One that nobody listens on. */
export function freePort(): number {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const { port = 0 } = server;
  server.stop(true);
  return port;
}
