import type { Target } from "./target.ts";

/** A whole system: what it consists of, and where its state can be looked at. */
export interface Site {
  /** The addresses of its nodes. */
  readonly nodes: readonly string[];
  /** In the order in which they are started; those of the product come last. */
  readonly targets: readonly Target[];
  /** The servers and workers among them. */
  readonly processes: readonly Target[];
  readonly databaseFile: string;
  /** A command of the program on this site, and its environment. */
  readonly command: (...words: string[]) => string[];
  readonly env: Readonly<Record<string, string>>;
  /** Nodes that say in the database that they live. */
  readonly sharedNodes: number;
  /** The keys of all objects. */
  listObjects(): Promise<string[]>;
  readObject(key: string): Promise<Uint8Array | null>;
  /** Files that were left half written. */
  leftovers(): Promise<string[]>;
  /** Makes leftovers older than any put can be, so that the next start removes them. */
  ageLeftovers(): Promise<void>;
  /** Messages that wait at the broker, by queue. */
  queueDepths(): Promise<Readonly<Record<string, number>>>;
}

/** What every process of the product is given. */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: process.env.PATH ?? "",
  LOG_FORMAT: "json",
  LOG_LEVEL: "info",
  RATE_LIMIT: "off",
};

export const SERVER_READY = /worker +\S+/;
export const WORKER_READY = /the worker is ready/;

/** A port that was free a moment ago: it has to be the same one after each restart. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}
