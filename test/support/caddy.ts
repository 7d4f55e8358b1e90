import { rm } from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "../adapters/eventually.ts";
import { temporaryFolder } from "./server.ts";
import { requireTool } from "./tools.ts";

export type CaddyProxy = {
  readonly url: string;
  /** What it wrote to its log. */
  output(): string;
  close(): Promise<void>;
};

export const hasCaddy = (): boolean => requireTool("caddy");

const HEALTH_INTERVAL = "200ms";

/** Caddy in front of these nodes, as `deploy/` has it, but quicker to notice. */
export async function startCaddy(nodes: readonly string[]): Promise<CaddyProxy> {
  const folder = temporaryFolder();
  const port = freePort();
  const file = join(folder.path, "Caddyfile");
  await Bun.write(
    file,
    `{
      admin off
      auto_https off
    }
    http://127.0.0.1:${port} {
      bind 127.0.0.1
      reverse_proxy ${nodes.map((url) => new URL(url).host).join(" ")} {
        lb_policy round_robin
        lb_try_duration 5s
        lb_try_interval 100ms
        health_uri /readyz/self
        health_interval ${HEALTH_INTERVAL}
        health_timeout 2s
        flush_interval -1
        transport http {
          dial_timeout 2s
        }
      }
    }
    `,
  );
  const child = Bun.spawn(["caddy", "run", "--config", file, "--adapter", "caddyfile"], {
    env: { PATH: process.env.PATH ?? "", HOME: folder.path },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  let output = "";
  const read = (async () => {
    for await (const chunk of child.stderr) output += new TextDecoder().decode(chunk);
  })();
  const url = `http://127.0.0.1:${port}`;
  async function close(): Promise<void> {
    child.kill("SIGKILL");
    await child.exited;
    await read;
    await rm(folder.path, { recursive: true, force: true });
  }
  try {
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`caddy ended:\n${output}`);
      return (await fetch(`${url}/healthz`).catch(() => null))?.status === 200;
    }, 10_000);
  } catch (error) {
    await close();
    throw error;
  }
  return { url, output: () => output, close };
}

function freePort(): number {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const { port = 0 } = server;
  server.stop(true);
  return port;
}
