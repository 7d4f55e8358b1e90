import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FileDocuments, fileDocuments } from "../../src/adapters/documents/files.ts";

const HOUR_SECONDS = 3_600;

describe("fileDocuments", () => {
  let root: string;
  let directory: string;
  let store: FileDocuments;
  let now: number;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "guildhall-files-"));
    directory = join(root, "made", "on", "demand");
    now = 1_700_000_000_000;
    store = open(new Uint8Array(32));
  });
  afterEach(() => rm(root, { recursive: true }));

  const open = (...signingKeys: [Uint8Array, ...Uint8Array[]]): FileDocuments =>
    fileDocuments({ directory, publicUrl: () => "https://guild.example", signingKeys, clock: () => now });
  const put = (key: string, text: string) => store.put(key, Buffer.from(text), "application/pdf");

  test("spells links with the end in epoch seconds, and lets them pass until then", async () => {
    const link = new URL(await store.link("stats-1.pdf", 900));
    expect(`${link.origin}${link.pathname}`).toBe("https://guild.example/documents/stats-1.pdf");
    expect(link.searchParams.get("expires")).toBe("1700000900");
    const signature = link.searchParams.get("signature") ?? "";
    expect(signature).toMatch(/^[\w-]{43}$/);
    expect(store.verifyLink("stats-1.pdf", "1700000900", signature, now + 899_999)).toBe(true);
    expect(store.verifyLink("stats-1.pdf", "1700000900", signature, now + 900_000)).toBe(false);
    expect(store.verifyLink("stats-2.pdf", "1700000900", signature, now)).toBe(false);
    expect(store.verifyLink("stats-1.pdf", "1700000901", signature, now)).toBe(false);
    expect(store.verifyLink("stats-1.pdf", "1700000900", `${signature}é`, now)).toBe(false);
    expect(open(new Uint8Array(32).fill(1)).verifyLink("stats-1.pdf", "1700000900", signature, now)).toBe(
      false,
    );
  });

  test("lets links of the previous key pass, and signs with the present one", async () => {
    const [old, fresh] = [new Uint8Array(32), new Uint8Array(32).fill(1)];
    const signatureOf = async (store: FileDocuments) =>
      new URL(await store.link("stats-1.pdf", 900)).searchParams.get("signature") ?? "";
    const passes = (store: FileDocuments, signature: string) =>
      store.verifyLink("stats-1.pdf", "1700000900", signature, now);
    const before = await signatureOf(open(old));
    const during = await signatureOf(open(fresh, old));
    expect([passes(open(fresh, old), before), passes(open(fresh), before)]).toEqual([true, false]);
    expect([passes(open(fresh), during), passes(open(old), during)]).toEqual([true, false]);
  });

  test("leaves nothing but the object", async () => {
    await put("a.pdf", "a");
    await store.check();
    expect(await readdir(directory)).toEqual(["a.pdf"]);
  });

  test("neither reads nor writes through a symbolic link", async () => {
    await mkdir(directory, { recursive: true });
    const outside = join(root, "outside.txt");
    await writeFile(outside, "secret");
    await symlink(outside, join(directory, "a.pdf"));
    await expect(store.get("a.pdf")).rejects.toThrow();
    await put("a.pdf", "ours");
    expect(await readFile(outside, "utf8")).toBe("secret");
    expect(Buffer.from((await store.get("a.pdf")) ?? "").toString()).toBe("ours");
  });

  test("removes what a crash left long ago, and nothing that may be in the making", async () => {
    await mkdir(directory, { recursive: true });
    for (const name of [".old.tmp", ".new.tmp", "old.pdf"]) await writeFile(join(directory, name), "half");
    const longAgo = Date.now() / 1000 - HOUR_SECONDS;
    for (const name of [".old.tmp", "old.pdf"]) await utimes(join(directory, name), longAgo, longAgo);
    await put("b.pdf", "b");
    expect((await readdir(directory)).sort()).toEqual([".new.tmp", "b.pdf", "old.pdf"]);
  });

  test("rejects a put that finds no room, and leaves neither object nor leftover", async () => {
    await put("kept.pdf", "before");
    const module = new URL("../../src/adapters/documents/files.ts", import.meta.url).href;
    const script = `
      const { fileDocuments } = await import(${JSON.stringify(module)});
      const store = fileDocuments({
        directory: ${JSON.stringify(directory)},
        publicUrl: () => "http://localhost",
        signingKeys: [new Uint8Array(32)],
        clock: Date.now,
      });
      for (const key of ["kept.pdf", "new.pdf"]) {
        const failed = await store.put(key, new Uint8Array(1_000_000), "application/pdf").then(() => false, () => true);
        if (!failed) process.exit(3);
      }
    `;
    // A limit on the size of files stops a write in the middle, as a full disk does.
    const child = Bun.spawn(
      ["sh", "-c", 'trap "" XFSZ; ulimit -f 64; exec "$0" -e "$1"', process.execPath, script],
      {
        stdout: "ignore",
        stderr: "inherit",
      },
    );
    expect(await child.exited).toBe(0);
    expect(await readdir(directory)).toEqual(["kept.pdf"]);
    expect(Buffer.from((await store.get("kept.pdf")) ?? "").toString()).toBe("before");
  });

  test("fails its check when the directory cannot be made", async () => {
    await writeFile(join(root, "made"), "a file in the way");
    await expect(store.check()).rejects.toThrow();
  });
});
