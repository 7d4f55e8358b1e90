import type { Call } from "../../test/support/app.ts";
import type { Findings } from "./findings.ts";
import type { CallRecord, End } from "./record.ts";

export type Answered = {
  readonly kind: "answered";
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a body of the API under test, read by field
  readonly body: any;
  readonly headers: Headers;
  readonly invokedAt: number;
  readonly endedAt: number;
};

/** The connection was lost, or the answer was 5xx: it may have been done. */
export type Unknown = {
  readonly kind: "unknown";
  readonly why: string;
  readonly invokedAt: number;
  readonly endedAt: number;
};

export type Result = Answered | Unknown;

export type Request = Omit<Call, "raw"> & {
  /** Any other answer below 500 is a finding. */
  readonly expected: readonly number[];
};

/** Sends the requests of all traffic, and records them. */
export interface Caller {
  /** To any node that takes it, once. */
  call(who: string, method: string, path: string, request: Request): Promise<Result>;
  /** Again and again until it is answered: for reads, and for what may be done twice. */
  insist(who: string, method: string, path: string, request: Request): Promise<Answered>;
  /** What a link leads to; not recorded. */
  download(url: string): Promise<{ readonly status: number; readonly bytes: Uint8Array } | null>;
}

// Longer than anything is stopped: who waits so long does not hear any more.
const ANSWER_MS = 20_000;
const RETRY_MS = 50;
const INSIST_MS = 120_000;

export type CallerOptions = {
  /** The addresses of the nodes. */
  readonly nodes: readonly string[];
  readonly record: CallRecord;
  readonly findings: Findings;
  readonly random: () => number;
};

export function createCaller({ nodes, record, findings, random }: CallerOptions): Caller {
  async function send(
    who: string,
    node: string,
    method: string,
    path: string,
    request: Request,
  ): Promise<Result | null> {
    const { token, body, headers = {}, expected } = request;
    const end = record.invoked(who, node.slice(-5), `${method} ${path} ${JSON.stringify(body) ?? ""}`);
    const invokedAt = performance.now();
    const unknown = (why: string): Unknown => {
      end({ kind: "unknown", why });
      return { kind: "unknown", why, invokedAt, endedAt: performance.now() };
    };
    try {
      const response = await fetch(node + path, {
        method,
        headers: {
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
          ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
          ...headers,
        },
        // Bun sends a request again when a connection that it kept was closed: here each is sent once.
        keepalive: false,
        signal: AbortSignal.timeout(ANSWER_MS),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      const { status, headers: answered } = response;
      if (status >= 500) {
        const known = status === 503;
        if (!known) findings.add("no request fails by itself", `${method} ${path}: ${status} ${text}`);
        return unknown(`${status}`);
      }
      end({ kind: "answered", status, body: text } satisfies End);
      if (!expected.includes(status)) {
        findings.add(
          "every answer is one that can be",
          `at ${invokedAt.toFixed(0)} ${who} ${method} ${path} ${JSON.stringify(body) ?? ""}: ${status} ${text.slice(0, 300)}`,
        );
      }
      return {
        kind: "answered",
        status,
        body: parsed(text),
        headers: answered,
        invokedAt,
        endedAt: performance.now(),
      };
    } catch (error) {
      const why = reasonOf(error);
      if (!NOT_CONNECTED.has(why)) return unknown(why);
      end({ kind: "refused" });
      return null;
    }
  }

  const call: Caller["call"] = async (who, method, path, request) => {
    for (;;) {
      const node = nodes[Math.floor(random() * nodes.length)] ?? "";
      const result = await send(who, node, method, path, request);
      if (result !== null) return result;
      await Bun.sleep(RETRY_MS);
    }
  };

  return {
    call,
    async insist(who, method, path, request) {
      const givesUpAt = performance.now() + INSIST_MS;
      for (;;) {
        const result = await call(who, method, path, request);
        if (result.kind === "answered") return result;
        if (performance.now() > givesUpAt)
          throw new Error(`${method} ${path} is not answered: ${result.why}`);
        await Bun.sleep(RETRY_MS);
      }
    },
    async download(url) {
      try {
        const response = await fetch(url, { keepalive: false, signal: AbortSignal.timeout(ANSWER_MS) });
        return { status: response.status, bytes: await response.bytes() };
      } catch {
        return null;
      }
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const NOT_CONNECTED: ReadonlySet<string> = new Set([
  "ConnectionRefused",
  "FailedToOpenSocket",
  "ECONNREFUSED",
]);

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
