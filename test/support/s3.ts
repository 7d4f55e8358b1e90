import { createHash, createHmac, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, Server } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
// @ts-expect-error It has no types; `S3rver` below is what we use of it.
import s3rver from "s3rver";

export type S3Server = {
  readonly endpoint: string;
  /** Objects stay for the next `start`, which listens on the same port. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Stops it and removes its files. */
  close(): Promise<void>;
};

/** The only account that the server knows. */
export const S3_CREDENTIALS = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };

type Context = { readonly req: IncomingMessage; status: number; type: string; body: unknown };
type Middleware = (context: Context, next: () => Promise<void>) => Promise<void>;
type S3Object = {
  readonly bucket: string;
  readonly key: string;
  readonly content: Buffer | AsyncIterable<Buffer>;
  readonly metadata: unknown;
};
type Store = {
  putObject(object: S3Object): Promise<{ size: number; md5: string }>;
  putMetadata(bucket: string, key: string, metadata: unknown, md5: string): Promise<void>;
  getResourcePath(bucket: string, key: string, resource: string): string;
};
type S3rver = {
  readonly store: Store;
  readonly middleware: Middleware[];
  readonly httpServer: Server;
  run(): Promise<{ readonly port: number }>;
};
type S3rverClass = new (options: Readonly<Record<string, unknown>>) => S3rver;

export type S3Place = { readonly directory: string; readonly port: number };

/** An S3 server in this process with the given buckets, in a folder of its own on a free port of 127.0.0.1 or there. */
export async function startS3(buckets: readonly string[], place?: S3Place): Promise<S3Server> {
  const S3: S3rverClass = s3rver;
  const directory = place?.directory ?? (await mkdtemp(join(tmpdir(), "guildhall-s3-")));
  let port = place?.port ?? 0;
  let server: S3rver | undefined;

  async function start(): Promise<void> {
    server = new S3({
      address: "127.0.0.1",
      port,
      directory,
      silent: true,
      vhostBuckets: false,
      configureBuckets: buckets.map((name) => ({ name, configs: [] })),
    });
    server.middleware.unshift(refuseBadSignatures);
    putAtomically(server.store);
    ({ port } = await server.run());
  }

  async function stop(): Promise<void> {
    const http = server?.httpServer;
    server = undefined;
    if (http === undefined) return;
    const closed = new Promise((done) => http.close(done));
    http.closeAllConnections();
    await closed;
  }

  await start();
  return {
    get endpoint() {
      return `http://127.0.0.1:${port}`;
    },
    start,
    stop,
    async close() {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const OBJECT = "._S3rver_object";

/** The keys in a bucket of a server's folder; s3rver lists no more than 1,000, and pages them in no order. */
export async function storedKeys(directory: string, bucket: string): Promise<string[]> {
  const names = await readdir(join(directory, bucket));
  return names.flatMap((name) => (name.endsWith(OBJECT) ? [name.slice(0, -OBJECT.length)] : []));
}

/**
 * S3 answers when the whole object is there, and a put that is cut off changes nothing; s3rver answers before it is
 * written, mixes concurrent puts, and leaves halves when it is killed.
 */
function putAtomically(store: Store): void {
  store.putObject = async ({ bucket, key, content, metadata }) => {
    const path = store.getResourcePath(bucket, key, "object");
    const bytes = Buffer.isBuffer(content) ? content : Buffer.concat(await Array.fromAsync(content));
    const md5 = createHash("md5").update(bytes).digest("hex");
    await mkdir(dirname(path), { recursive: true });
    // Under a name that is no key, and what makes it an object last.
    const beside = `.being-stored-${randomUUID()}`;
    await store.putMetadata(bucket, beside, metadata, md5);
    await writeFile(store.getResourcePath(bucket, beside, "object.part"), bytes);
    for (const resource of ["object.md5", "metadata.json"]) {
      await rename(
        store.getResourcePath(bucket, beside, resource),
        store.getResourcePath(bucket, key, resource),
      );
    }
    await rename(store.getResourcePath(bucket, beside, "object.part"), path);
    return { size: bytes.length, md5 };
  };
}

/** s3rver takes any signature of version 4, and objects without one: here both are refused as S3 does. */
async function refuseBadSignatures(context: Context, next: () => Promise<void>): Promise<void> {
  const signed = readSignature(context.req);
  const known = signed?.accessKeyId === S3_CREDENTIALS.accessKeyId;
  if (signed !== null && (!known || expectedSignature(context.req, signed) === signed.signature))
    return next();
  context.status = 403;
  context.type = "application/xml";
  const code = signed === null ? "AccessDenied" : "SignatureDoesNotMatch";
  context.body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`;
}

type Signed = {
  readonly accessKeyId: string;
  readonly scope: string;
  readonly headers: readonly string[];
  readonly signature: string;
  readonly date: string;
  readonly payload: string;
};

function readSignature({ url = "", headers }: IncomingMessage): Signed | null {
  const query = new URL(url, "http://localhost").searchParams;
  const authorization = Object.fromEntries(
    (headers.authorization ?? "")
      .replace(/^AWS4-HMAC-SHA256 /, "")
      .split(/,\s*/)
      .map((part) => part.split("=", 2)),
  );
  const field = (name: string): string => query.get(`X-Amz-${name}`) ?? authorization[name] ?? "";
  const [accessKeyId = "", ...scope] = field("Credential").split("/");
  if (accessKeyId === "") return null;
  return {
    accessKeyId,
    scope: scope.join("/"),
    headers: field("SignedHeaders").split(";"),
    signature: field("Signature"),
    date: query.get("X-Amz-Date") ?? String(headers["x-amz-date"]),
    payload:
      query.get("X-Amz-Content-Sha256") ?? String(headers["x-amz-content-sha256"] ?? "UNSIGNED-PAYLOAD"),
  };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
function expectedSignature(request: IncomingMessage, signed: Signed): string {
  const [path = "", query = ""] = (request.url ?? "").split("?", 2);
  const parameters = query
    .split("&")
    .filter((pair) => pair !== "" && !pair.startsWith("X-Amz-Signature="))
    .map((pair) => (pair.includes("=") ? pair : `${pair}=`))
    .sort();
  const canonical = [
    request.method,
    path,
    parameters.join("&"),
    ...signed.headers.map((name) => `${name}:${String(request.headers[name] ?? "").trim()}`),
    "",
    signed.headers.join(";"),
    signed.payload,
  ].join("\n");
  const hash = createHash("sha256").update(canonical).digest("hex");
  const text = ["AWS4-HMAC-SHA256", signed.date, signed.scope, hash].join("\n");
  const sign = (key: string | Buffer, data: string) => createHmac("sha256", key).update(data).digest();
  return sign(
    signed.scope.split("/").reduce(sign, Buffer.from(`AWS4${S3_CREDENTIALS.secretAccessKey}`)),
    text,
  ).toString("hex");
}
