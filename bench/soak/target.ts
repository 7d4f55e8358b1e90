import type { Broker } from "../../test/support/rabbitmq.ts";
import { childrenOf } from "../../test/support/server.ts";
import type { Lab, Spawned } from "../lab.ts";
import type { Findings } from "./findings.ts";

/** A part of the system that can be done harm to. Each act resolves when it is done. */
export interface Target {
  readonly name: string;
  /** How often it is chosen, beside the others. */
  readonly weight: number;
  readonly isUp: () => boolean;
  /** Whether no harm may be done to it yet. */
  readonly isSpared?: () => boolean;
  /** Starts it, again where it was before; waits until it is ready. */
  start(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>;
  freeze(): void | Promise<void>;
  thaw(): void;
  /** Null where its memory is none of ours. */
  readonly pid: () => number | null;
  /** What it printed since it was started last. */
  output(): Promise<string>;
}

export type ProcessOptions = {
  readonly name: string;
  readonly weight: number;
  readonly lab: Lab;
  readonly findings: Findings;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** In what it prints, once it is ready. */
  readonly ready: RegExp;
  /** Whether its memory is to be flat and its ends in order: it is a part of the product. */
  readonly isOurs: boolean;
};

const READY_MS = 60_000;
const LOOK_MS = 20;
const RESTART_MS = 300;
// What the program promises: 10 s; and something for a busy machine.
const STOP_MS = 13_000;

/** A process that is started anew until it stays, as a service manager would. */
export function processTarget(options: ProcessOptions): Target {
  const { name, weight, lab, findings, command, env, ready, isOurs } = options;
  let spawned: Spawned | undefined;
  let isUp = false;
  let isAwaited = true;

  async function started(givesUpAt: number): Promise<Spawned | null> {
    const child = await lab.spawn(command, env);
    while (child.process.exitCode === null && child.process.signalCode === null) {
      if (ready.test(await child.output())) return child;
      if (performance.now() > givesUpAt) {
        throw new Error(`${name} is not ready in time:\n${(await child.output()).slice(-2_000)}`);
      }
      await Bun.sleep(LOOK_MS);
    }
    return null;
  }

  async function ended(child: Spawned): Promise<void> {
    await child.process.exited;
    if (child !== spawned || isAwaited) return;
    isUp = false;
    const { exitCode, signalCode } = child.process;
    const output = (await child.output()).slice(-500);
    findings.add("nothing ends by itself", `${name} with ${exitCode ?? signalCode}: ${output}`);
  }

  async function end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    isUp = false;
    isAwaited = true;
    spawned?.process.kill(signal);
    await spawned?.process.exited;
  }

  return {
    name,
    weight,
    isUp: () => isUp,
    async start() {
      const givesUpAt = performance.now() + READY_MS;
      for (;;) {
        const child = await started(givesUpAt);
        if (child !== null) {
          spawned = child;
          isUp = true;
          isAwaited = false;
          void ended(child);
          return;
        }
        // What it needs may be down: it says so, ends, and is started again.
        if (performance.now() > givesUpAt) throw new Error(`${name} does not start`);
        await Bun.sleep(RESTART_MS);
      }
    },
    kill: () => end("SIGKILL"),
    async stop() {
      const from = performance.now();
      await end("SIGTERM");
      const ms = performance.now() - from;
      const code = spawned?.process.exitCode ?? null;
      if (isOurs && (code !== 0 || ms > STOP_MS)) {
        findings.add("a stop is in order", `${name} ended with ${code} after ${ms.toFixed(0)} ms`);
      }
    },
    freeze: () => spawned?.process.kill("SIGSTOP"),
    thaw: () => spawned?.process.kill("SIGCONT"),
    pid: () => (isOurs && isUp ? (spawned?.pid ?? null) : null),
    output: async () => (await spawned?.output()) ?? "",
  };
}

/** The children that render for these processes: they start another one by themselves. */
export function rendererTarget(parents: readonly Target[], weight: number): Target {
  let stopped: readonly number[] = [];
  async function signal(name: "SIGKILL" | "SIGTERM"): Promise<void> {
    for (const pid of await pids()) send(pid, name);
  }
  const pids = async () => (await Promise.all(parents.map((parent) => childrenOf(parent.pid() ?? 0)))).flat();
  return {
    name: "renderers",
    weight,
    isUp: () => parents.every((parent) => parent.isUp()),
    start: async () => {},
    kill: () => signal("SIGKILL"),
    // They leave signals to their parent.
    stop: () => signal("SIGTERM"),
    async freeze() {
      stopped = await pids();
      for (const pid of stopped) send(pid, "SIGSTOP");
    },
    thaw() {
      for (const pid of stopped) send(pid, "SIGCONT");
    },
    pid: () => null,
    output: async () => "",
  };
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Its parent may have ended it meanwhile.
  }
}

// RabbitMQ 3.10 can leave a quorum queue without a leader when it is killed within seconds of the queue's making
// (rabbitmq-server #10070).
const QUEUE_MADE_MS = 15_000;

export function brokerTarget(broker: Broker, weight: number): Target {
  const spared = performance.now() + QUEUE_MADE_MS;
  let isUp = true;
  return {
    name: "broker",
    weight,
    isUp: () => isUp,
    isSpared: () => performance.now() < spared,
    async start() {
      await broker.start();
      isUp = true;
    },
    async kill() {
      isUp = false;
      await broker.kill();
    },
    async stop() {
      isUp = false;
      await broker.stop();
    },
    freeze: broker.freeze,
    thaw: broker.thaw,
    pid: () => null,
    output: async () => "",
  };
}
