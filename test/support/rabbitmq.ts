import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { eventually } from "../adapters/eventually.ts";

export type Broker = {
  readonly url: string;
  readonly port: number;
  /** SIGTERM: the broker says good-bye to its clients. Its data stay for the next `start`. */
  stop(): Promise<void>;
  /** SIGKILL: nobody is told. */
  kill(): Promise<void>;
  /** Stands still: connections stay, and nothing is answered until `thaw`. */
  freeze(): void;
  thaw(): void;
  start(): Promise<void>;
  restart(): Promise<void>;
  /** Stops it for good and removes its files. */
  close(): Promise<void>;
};

// The script itself: Debian's wrapper would change to another user and to the machine's own node.
const SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const START_TIMEOUT_MS = 60_000;

/** True when RabbitMQ is installed. Under CI its absence is an error, for nothing would be tested. */
export function available(): boolean {
  if (existsSync(SERVER) && Bun.which("erl") !== null && Bun.which("epmd") !== null) return true;
  if (process.env.CI) throw new Error(`RabbitMQ is not installed (${SERVER}), and CI must test it`);
  console.log("skipped: the tests of RabbitMQ, which is not installed (Debian: rabbitmq-server)");
  return false;
}

/** A RabbitMQ of our own on 127.0.0.1 with its own ports, name and folders, and without plugins. */
export async function startBroker(): Promise<Broker> {
  const home = await mkdtemp(join(tmpdir(), "guildhall-rabbitmq-"));
  const ports = await freePorts();
  const { port, epmdPort } = ports;
  const environment = await configure(home, ports);
  // Ours to end by its process id; the node would otherwise leave one behind as a daemon.
  const epmd = spawn(["epmd", "-port", String(epmdPort), "-address", "127.0.0.1"], environment, home);
  let server: Subprocess | undefined;

  async function end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    server?.kill(signal);
    await server?.exited;
    server = undefined;
  }

  async function start(): Promise<void> {
    const started = spawn([SERVER], environment, home);
    server = started;
    await eventually(async () => {
      if (started.exitCode !== null)
        throw new Error(`rabbitmq-server ended with ${started.exitCode}: see ${home}`);
      return greets(port);
    }, START_TIMEOUT_MS);
  }

  await start();
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    port,
    start,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    freeze: () => server?.kill("SIGSTOP"),
    thaw: () => server?.kill("SIGCONT"),
    async restart() {
      await end("SIGTERM");
      await start();
    },
    async close() {
      await end("SIGTERM");
      epmd.kill("SIGTERM");
      await epmd.exited;
      await rm(home, { recursive: true, force: true });
    },
  };
}

type Ports = { readonly port: number; readonly distribution: number; readonly epmdPort: number };

async function configure(
  home: string,
  { port, distribution, epmdPort }: Ports,
): Promise<Record<string, string>> {
  await mkdir(join(home, "home"));
  await Bun.write(
    join(home, "rabbitmq.conf"),
    [
      `listeners.tcp.1 = 127.0.0.1:${port}`,
      "vm_memory_high_watermark.absolute = 4GB",
      "disk_free_limit.absolute = 1MB",
      "",
    ].join("\n"),
  );
  await Bun.write(join(home, "plugins"), "[].\n");
  return {
    PATH: process.env.PATH ?? "/usr/bin:/bin",
    HOME: join(home, "home"),
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_NODENAME: `guildhall-${randomBytes(4).toString("hex")}@localhost`,
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_MNESIA_BASE: join(home, "mnesia"),
    RABBITMQ_LOG_BASE: join(home, "log"),
    RABBITMQ_CONFIG_FILE: join(home, "rabbitmq.conf"),
    RABBITMQ_CONF_ENV_FILE: "/dev/null",
    RABBITMQ_ENABLED_PLUGINS_FILE: join(home, "plugins"),
    // With +B d it also ends by the Ctrl-C that ends the tests.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1} +B d",
    // The script then becomes the Erlang machine, so that our signals reach it.
    RABBITMQ_ALLOW_INPUT: "1",
    RABBITMQ_SERVER_START_ARGS: "-noinput",
  };
}

/**
 * Nothing runs at the end of `bun test --bail` or after a SIGKILL: so each child has a shell that waits for our end
 * of a pipe to close, and then ends the child and removes its files.
 */
function spawn(command: string[], env: Record<string, string>, home: string): Subprocess {
  const child = Bun.spawn(command, { env, stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  const script = 'trap "" INT TERM; read -r _; kill -KILL "$0"; sleep 1; rm -rf "$1"';
  const watch = Bun.spawn(["sh", "-c", script, String(child.pid), home], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  });
  void child.exited.then(() => watch.kill("SIGKILL"));
  child.unref();
  watch.unref();
  return child;
}

/** A broker that is ready answers the protocol header; the port alone opens earlier. */
function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port }, () => socket.write("AMQP\u0000\u0000\u0009\u0001"));
    const answer = (value: boolean) => {
      socket.destroy();
      resolve(value);
    };
    socket.setTimeout(1_000, () => answer(false));
    socket.once("data", () => answer(true));
    socket.once("error", () => answer(false));
    socket.once("close", () => resolve(false));
  });
}

/** Held together for a moment, so that the three differ. */
async function freePorts(): Promise<Ports> {
  const servers = [createServer(), createServer(), createServer()] as const;
  const [port, distribution, epmdPort] = await Promise.all([
    listen(servers[0]),
    listen(servers[1]),
    listen(servers[2]),
  ]);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return { port, distribution, epmdPort };
}

function listen(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}
