import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FileDocuments, fileDocuments } from "../../src/adapters/documents/files.ts";
import { s3Documents } from "../../src/adapters/documents/s3.ts";
import type { DocumentStore } from "../../src/domain/core.ts";
import { S3_CREDENTIALS, startS3 } from "../support/s3.ts";
import { setAwsCredentials } from "./aws-environment.ts";

type Opened = { readonly store: DocumentStore; close(): Promise<void> };

const implementations = [
  { name: "fileDocuments", open: openFiles },
  { name: "s3Documents", open: openS3 },
];

describe.each(implementations)("$name keeps the promises of a DocumentStore", ({ open }) => {
  let opened: Opened;
  let store: DocumentStore;

  beforeAll(async () => {
    opened = await open();
    store = opened.store;
  });
  afterAll(() => opened.close());

  const newKey = (): string => `stats-${randomUUID()}.pdf`;
  const put = (key: string, bytes: Uint8Array) => store.put(key, bytes, "application/pdf");

  test.each([0, 1, 70_000, 3_000_000])("gives back the %d bytes that were put", async (size) => {
    const key = newKey();
    const bytes = new Uint8Array(randomBytes(size));
    await put(key, bytes);
    expect(await store.get(key)).toEqual(bytes);
  });

  test("takes the same key again, and the last bytes count", async () => {
    const key = newKey();
    await put(key, Buffer.from("first and longer"));
    await put(key, Buffer.from("second"));
    await put(key, Buffer.from("second"));
    expect(await store.get(key)).toEqual(new Uint8Array(Buffer.from("second")));
  });

  test("gives null for what is not there", async () => {
    expect(await store.get(newKey())).toBeNull();
  });

  test("deletes an object, whose link is dead then; deleting it again is no error", async () => {
    const [key, other] = [newKey(), newKey()];
    await put(key, Buffer.from("gone"));
    await put(other, Buffer.from("kept"));
    const link = await store.link(key, 60);
    expect((await fetch(link)).status).toBe(200);
    await Promise.all([store.delete(key), store.delete(key)]);
    await store.delete(key);
    expect(await store.get(key)).toBeNull();
    expect((await fetch(link)).status).toBe(404);
    expect(await store.get(other)).toEqual(new Uint8Array(Buffer.from("kept")));
    await put(key, Buffer.from("again"));
    expect(await store.get(key)).toEqual(new Uint8Array(Buffer.from("again")));
  });

  test("deleting what never was is no error", async () => {
    await store.delete(newKey());
  });

  test("keeps one whole object when many put the same key at once", async () => {
    const key = newKey();
    const candidates = Array.from({ length: 8 }, (_, index) => new Uint8Array(200_000).fill(index + 1));
    await Promise.all(candidates.map((bytes) => put(key, bytes)));
    const kept = await store.get(key);
    expect(candidates.some((bytes) => kept !== null && Buffer.from(bytes).equals(kept))).toBe(true);
  });

  test("links to a download that needs no sign-in", async () => {
    const key = newKey();
    const bytes = new Uint8Array(randomBytes(50_000));
    await put(key, bytes);
    const link = await store.link(key, 60);
    expect(new URL(link).pathname.endsWith(`/${key}`)).toBe(true);
    const answer = await fetch(link);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/pdf");
    expect(answer.headers.get("content-disposition")).toStartWith("inline");
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(bytes);
  });

  test("ends a link when its time is over", async () => {
    const key = newKey();
    await put(key, Buffer.from("short"));
    // S3 counts from the beginning of the running second.
    const link = await store.link(key, 5);
    expect((await fetch(link)).status).toBe(200);
    const end = performance.now() + 20_000;
    while ((await fetch(link)).status === 200 && performance.now() < end) await Bun.sleep(50);
    expect((await fetch(link)).status).toBe(403);
  });

  test("refuses a link with another signature, another end, another key or none of them", async () => {
    const [key, secret] = [newKey(), newKey()];
    await put(key, Buffer.from("mine"));
    await put(secret, Buffer.from("theirs"));
    const link = await store.link(key, 60);
    const altered = [
      link.replace(/(signature=)(.)/i, (_all, name, first) => `${name}${first === "a" ? "b" : "a"}`),
      link.replace(/(signature=)[^&]+/i, "$1"),
      link.replace(/(expires=)(\d+)/i, "$19$2"),
      link.replace(key, secret),
      link.replace(/\?.*/, ""),
    ];
    for (const url of altered) {
      expect(url).not.toBe(link);
      expect((await fetch(url)).status).toBe(403);
    }
    expect((await fetch(link)).status).toBe(200);
  });

  test.each([
    "../secret.pdf",
    "a/b.pdf",
    "a\\b.pdf",
    "/etc/passwd",
    "..",
    ".pdf",
    "a.pdf\0",
    "a.pdf\n",
    "A.pdf",
    "a.b.pdf",
    "a%2f.pdf",
    "",
    `${"a".repeat(101)}.pdf`,
  ])("refuses the key %j everywhere", async (key) => {
    await expect(put(key, Buffer.from("x"))).rejects.toThrow("document key");
    await expect(store.get(key)).rejects.toThrow("document key");
    await expect(store.delete(key)).rejects.toThrow("document key");
    await expect(store.link(key, 60)).rejects.toThrow("document key");
  });

  test("passes its check", async () => {
    await store.check();
  });
});

/** Served as the application does it: the signature decides, the store gives the bytes. */
async function openFiles(): Promise<Opened> {
  const directory = await mkdtemp(join(tmpdir(), "guildhall-documents-"));
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => serve(store, request) });
  const store: FileDocuments = fileDocuments({
    directory,
    publicUrl: () => `http://127.0.0.1:${server.port}`,
    signingKeys: [randomBytes(32)],
    clock: Date.now,
  });
  return {
    store,
    async close() {
      await server.stop(true);
      await rm(directory, { recursive: true });
    },
  };
}

async function serve(store: FileDocuments, request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const key = pathname.replace("/documents/", "");
  const allowed = store.verifyLink(
    key,
    searchParams.get("expires") ?? "",
    searchParams.get("signature") ?? "",
    Date.now(),
  );
  if (!allowed) return new Response(null, { status: 403 });
  const headers = { "content-type": "application/pdf", "content-disposition": "inline" };
  const bytes = await store.get(key);
  return bytes === null ? new Response(null, { status: 404 }) : new Response(bytes, { headers });
}

async function openS3(): Promise<Opened> {
  const restore = setAwsCredentials(S3_CREDENTIALS);
  const server = await startS3(["documents"]);
  return {
    store: s3Documents({ bucket: "documents", endpoint: server.endpoint }),
    async close() {
      restore();
      await server.close();
    },
  };
}
