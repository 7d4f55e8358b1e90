import type { Database } from "bun:sqlite";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, HranaStream, type PipelineRequest } from "./hrana-stream.ts";

export type HranaServer = {
  /** http://127.0.0.1:<port>, the same after `start`. */
  readonly url: string;
  /** Pipelines that were run, for counting retries. */
  readonly pipelines: () => number;
  /** What happens to the requests from now on. */
  readonly faults: Faults;
  /** Closes the port and cuts all connections; what is stored stays. */
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
};

export type Faults = {
  /** Waits before running. */
  delayMs: number;
  /** Cuts the connection without an answer, before or after running; the count goes down with every cut. */
  drop: { readonly when: "before" | "after"; count: number } | null;
  /** Answers this status instead of running. */
  status: number | null;
};

export type HranaOptions = {
  /** 0: a free one. */
  readonly port?: number;
  readonly isDurable?: boolean;
};

/**
 * A libSQL server for tests: Hrana 2 over HTTP with JSON on a SQLite file. Stricter than the real one: it refuses
 * a float without a fraction, which SQLite would turn into an integer or, in a TEXT column, into "7.0".
 */
export async function startHranaServer(
  file: string,
  token: string | null = null,
  { port: wantedPort = 0, isDurable = false }: HranaOptions = {},
): Promise<HranaServer> {
  const faults: Faults = { delayMs: 0, drop: null, status: null };
  const streams = new Map<string, HranaStream>();
  // Opening one costs more than most statements.
  const idle: Database[] = [];
  let pipelines = 0;
  let port = wantedPort;
  let server = createServer();

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    if (request.method !== "POST" || request.url !== "/v2/pipeline") return answer(response, 404, {});
    if (token !== null && request.headers.authorization !== `Bearer ${token}`) {
      return answer(response, 401, { error: "Unauthorized" });
    }
    if (faults.status !== null) return answer(response, faults.status, { error: "a fault of the test" });
    await Bun.sleep(faults.delayMs);
    if (drops("before")) return void request.socket.destroy();
    const result = run(JSON.parse(body) as PipelineRequest);
    if (drops("after")) return void request.socket.destroy();
    answer(response, 200, result);
  }

  function drops(when: "before" | "after"): boolean {
    if (faults.drop?.when !== when || faults.drop.count === 0) return false;
    faults.drop.count--;
    return true;
  }

  const newStream = () =>
    new HranaStream(idle.pop() ?? connect(file, isDurable), (database) => idle.push(database));

  function run(pipeline: PipelineRequest) {
    pipelines++;
    const baton = pipeline.baton ?? null;
    const stream = baton === null ? newStream() : streams.get(baton);
    if (stream === undefined) throw new Error("an unknown baton");
    if (baton !== null) streams.delete(baton);
    const results = pipeline.requests.map((one) => stream.answer(one));
    if (stream.isClosed) return { baton: null, base_url: null, results };
    const next = crypto.randomUUID();
    streams.set(next, stream);
    return { baton: next, base_url: null, results };
  }

  async function start(): Promise<void> {
    server = createServer((request, response) => {
      handle(request, response).catch((error: unknown) => answer(response, 400, { message: String(error) }));
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const address = server.address();
    port = typeof address === "object" && address !== null ? address.port : port;
  }

  async function stop(): Promise<void> {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    for (const stream of streams.values()) stream.close();
    streams.clear();
    for (const database of idle.splice(0)) database.close();
  }

  await start();
  return { url: `http://127.0.0.1:${port}`, pipelines: () => pipelines, faults, start, stop, close: stop };
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
