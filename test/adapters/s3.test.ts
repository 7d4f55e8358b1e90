import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { s3Documents } from "../../src/adapters/documents/s3.ts";
import { S3_CREDENTIALS, type S3Server, startS3 } from "../support/s3.ts";
import { setAwsCredentials } from "./aws-environment.ts";

const timeouts = { connectMs: 500, requestMs: 500 };

describe("s3Documents", () => {
  let server: S3Server;
  let restore: () => void;

  beforeAll(async () => {
    server = await startS3(["documents"]);
  });
  afterAll(() => server.close());
  beforeEach(() => {
    restore = setAwsCredentials(S3_CREDENTIALS);
  });
  afterEach(() => restore());

  const open = (bucket = "documents") => s3Documents({ bucket, endpoint: server.endpoint, timeouts });
  const host = () => new URL(server.endpoint).host;
  const put = (store: ReturnType<typeof open>) => store.put("a.pdf", Buffer.from("a"), "application/pdf");

  test("says that the bucket does not exist", async () => {
    const store = open("absent");
    const sentence = `the bucket absent does not exist on S3 at ${host()}`;
    await expect(store.check()).rejects.toThrow(sentence);
    await expect(put(store)).rejects.toThrow(sentence);
    await expect(store.get("a.pdf")).rejects.toThrow(sentence);
  });

  test.each([
    ["an unknown key", { accessKeyId: "AKIAUNKNOWN", secretAccessKey: "hush-hush" }, "InvalidAccessKeyId"],
    ["a wrong secret", { accessKeyId: "S3RVER", secretAccessKey: "hush-hush" }, "SignatureDoesNotMatch"],
  ])("refuses %s in a sentence that shows neither", async (_case, credentials, code) => {
    setAwsCredentials(credentials);
    const store = open();
    const failures = await Promise.all(
      [store.check(), put(store), store.get("a.pdf")].map((call) => call.catch(String)),
    );
    expect(failures[0]).toContain("denies access to the bucket documents");
    expect(failures[1]).toContain(`refuses the credentials: ${code}`);
    expect(failures[2]).toContain(`refuses the credentials: ${code}`);
    const error = await store.get("a.pdf").catch((thrown) => thrown);
    expect(Bun.inspect([failures, error], { depth: 10 })).not.toMatch(/hush-hush|AKIAUNKNOWN/);
  });

  test("says that there are no credentials", async () => {
    setAwsCredentials(null);
    await expect(open().check()).rejects.toThrow("no AWS credentials were found");
    await expect(open().link("a.pdf", 60)).rejects.toThrow("no AWS credentials were found");
  });

  test("fails while the server is down and works when it is back", async () => {
    const store = open();
    await put(store);
    await server.stop();
    await expect(store.check()).rejects.toThrow(`S3 at ${host()} cannot be reached`);
    await expect(store.get("a.pdf")).rejects.toThrow("cannot be reached");
    await expect(put(store)).rejects.toThrow("cannot be reached");
    await server.start();
    await store.check();
    expect(await store.get("a.pdf")).toEqual(new Uint8Array(Buffer.from("a")));
  });

  test.each([
    ["says nothing", () => new Promise<Response>(() => {})],
    [
      "stops in the middle",
      () => new Response(new ReadableStream({ start: (body) => body.enqueue(Buffer.from("a")) })),
    ],
  ])("gives up a server that %s", async (_case, fetch) => {
    const stuck = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 0, fetch });
    const store = s3Documents({
      bucket: "documents",
      endpoint: `http://127.0.0.1:${stuck.port}`,
      timeouts: { connectMs: 100, requestMs: 100 },
    });
    await expect(store.get("a.pdf")).rejects.toThrow("does not answer in time");
    await stuck.stop(true);
  });

  test("tries again when the server fails for a moment", async () => {
    let requests = 0;
    const flaky = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch() {
        requests += 1;
        return requests < 3 ? new Response(null, { status: 503 }) : new Response("whole");
      },
    });
    const store = s3Documents({ bucket: "documents", endpoint: `http://127.0.0.1:${flaky.port}` });
    expect(await store.get("a.pdf")).toEqual(new Uint8Array(Buffer.from("whole")));
    expect(requests).toBe(3);
    await flaky.stop(true);
  });

  test("links to the public address when there is one, without signing", async () => {
    const store = s3Documents({
      bucket: "documents",
      endpoint: server.endpoint,
      publicUrl: "https://cdn.example/files/",
    });
    expect(await store.link("stats-1.pdf", 900)).toBe("https://cdn.example/files/stats-1.pdf");
  });

  test("presigns for the given time, to be shown under its name", async () => {
    const { searchParams } = new URL(await open().link("stats-1.pdf", 900));
    expect(searchParams.get("X-Amz-Expires")).toBe("900");
    expect(searchParams.get("response-content-disposition")).toBe('inline; filename="stats-1.pdf"');
  });
});
