import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { migrate, openDatabase } from "../../db/open.ts";
import { inProcessBus } from "../../src/adapters/bus/in-process.ts";
import { fileDocuments } from "../../src/adapters/documents/files.ts";
import { prometheusMetrics } from "../../src/adapters/metrics/prometheus.ts";
import { argon2Passwords } from "../../src/adapters/passwords/argon2.ts";
import { embeddedQueue } from "../../src/adapters/queue/embedded.ts";
import type { Topics } from "../../src/apis/chat/sockets.ts";
import { type App, createApp, type Peer } from "../../src/app.ts";
import type { Core, Mail, Registration } from "../../src/domain/core.ts";
import { createTokens, type Tokens } from "../../src/domain/tokens.ts";
import { createAddressOf } from "../../src/http/address.ts";
import { createOrigins } from "../../src/http/origins.ts";
import type { Limits } from "../../src/http/rate-limit.ts";

export const PUBLIC_URL = "http://guildhall.test";
export const JWT_SECRET = Buffer.from("a secret of the tests that has 32 bytes or more");

export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed when it is JSON, else the text. */
  // biome-ignore lint/suspicious/noExplicitAny: a body of the API under test, compared whole or read by field
  readonly body: any;
};

export type Call = {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  /** Instead of `body`: the bytes as they are, with no Content-Type of its own. */
  readonly raw?: string | ReadableStream<Uint8Array>;
};

/** An app over a database of its own in memory, with real adapters; hashing is cheap and time stands still. */
export type TestApp = {
  readonly core: Core;
  readonly tokens: Tokens;
  /** Everything that was logged, one JSON line each. */
  readonly logged: string[];
  /** The mails that were handed over, oldest first. */
  readonly mailed: Mail[];
  /** For how long requests were made to wait, in milliseconds. */
  readonly slept: number[];
  now: number;
  call(method: string, path: string, call?: Call): Promise<Answer>;
  fetch(request: Request): Promise<Response>;
  close(): Promise<void>;
};

export type TestAppOptions = {
  readonly corsOrigins?: readonly string[];
  readonly trustProxy?: readonly string[];
  readonly peerAddress?: string;
  /** The machine's clock instead of one that stands still. */
  readonly realTime?: boolean;
  readonly registration?: Registration;
  readonly limits?: Limits;
  readonly limitMessages?: Core["settings"]["limitMessages"];
  readonly chatGuests?: boolean;
  readonly metricsToken?: string;
};

export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const directory = mkdtempSync(join(tmpdir(), "guildhall-test-"));
  const db = await openDatabase("file::memory:");
  await migrate(db);
  const logged: string[] = [];
  const log = pino({ level: "debug" }, { write: (line: string) => void logged.push(line) });
  const tokens = createTokens([JWT_SECRET]);
  const state = { now: Date.UTC(2026, 3, 14, 10, 30) };
  const clock = options.realTime === true ? Date.now : () => state.now;
  const documents = fileDocuments({
    directory,
    publicUrl: () => PUBLIC_URL,
    signingKeys: [JWT_SECRET],
    clock,
  });
  const queue = embeddedQueue({});
  const bus = inProcessBus();
  const passwords = argon2Passwords({ memoryCost: 8, timeCost: 1 });
  const mailed: Mail[] = [];
  const mailer = {
    send: async (mail: Mail) => void mailed.push(mail),
    check: async () => {},
    close: async () => {},
  };
  const settings = {
    publicUrl: () => PUBLIC_URL,
    registration: options.registration ?? "open",
    limitSignIns: true,
    limitMessages: options.limitMessages ?? null,
    chatGuests: options.chatGuests ?? false,
    sealingKeys: [new Uint8Array(32).fill(7)] as const,
  };
  const slept: number[] = [];
  const core: Core = {
    db,
    queue,
    bus,
    documents,
    mailer,
    nudgeMails: () => {},
    passwords,
    tokens,
    clock,
    sleep: async (ms) => void slept.push(ms),
    log,
    metrics: prometheusMetrics({ version: "0.0.0-test", ofProcess: false }),
    settings,
  };
  const app = createApp({
    core,
    topics: NO_TOPICS,
    origins: createOrigins({ publicUrl: PUBLIC_URL, port: 8080, allowed: options.corsOrigins ?? [] }),
    addressOf: createAddressOf(options.trustProxy ?? []),
    verifyLink: documents.verifyLink,
    limits: options.limits ?? null,
    metrics: { token: options.metricsToken ?? null },
  });
  const fetch = fetchThrough(app, options.peerAddress ?? "192.0.2.1");

  return {
    core,
    tokens,
    logged,
    mailed,
    slept,
    get now() {
      return state.now;
    },
    set now(now) {
      state.now = now;
    },
    fetch,
    call: (method, path, call = {}) => send(fetch, method, PUBLIC_URL + path, call),
    async close() {
      await app.closeSockets();
      await app.close();
      await queue.close();
      await db.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** For an app without sockets. */
export const NO_TOPICS: Topics = { publish: () => 0, subscriberCount: () => 0 };

/** An app as the server asks it, for requests from this address. Nothing becomes a WebSocket. */
export function fetchThrough(app: App, address: string): (request: Request) => Promise<Response> {
  const peer: Peer = { requestIP: () => ({ address }), timeout: () => {}, upgrade: () => false };
  return async function fetch(request) {
    const response = await app.fetch(request, peer);
    if (response === undefined) throw new Error("the request has become a WebSocket");
    return response;
  };
}

/** Sends one request through an app or over the network. */
export async function send(
  fetch: (request: Request) => Promise<Response>,
  method: string,
  url: string,
  { token, body, headers = {}, raw }: Call = {},
): Promise<Answer> {
  const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const length = typeof sent === "string" ? { "Content-Length": String(Buffer.byteLength(sent)) } : {};
  const response = await fetch(
    new Request(url, {
      method,
      headers: {
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...length,
        ...headers,
      },
      ...(sent === undefined ? {} : { body: sent }),
    }),
  );
  const text = await response.text();
  const isJson = response.headers.get("Content-Type")?.startsWith("application/json") === true;
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}
