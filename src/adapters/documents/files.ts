import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, rename, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Clock, DocumentStore, Keys } from "../../domain/core.ts";
import { leftoverSweep } from "../folder/leftovers.ts";
import { assertDocumentKey } from "./keys.ts";
import { isValidSignature, signature } from "./links.ts";

export type FileDocumentsOptions = {
  readonly directory: string;
  /** Without a slash at its end; asked for with each link. */
  readonly publicUrl: () => string;
  readonly signingKeys: Keys;
  readonly clock: Clock;
};

export interface FileDocuments extends DocumentStore {
  /** For the route that serves the links: `expires` and `given` as they stand in the query, `now` in milliseconds. */
  verifyLink(key: string, expires: string, given: string, now: number): boolean;
}

// Not on Windows, where a directory cannot be opened either.
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;

/** Documents as files in one flat directory, with links of our own that expire. */
export function fileDocuments(options: FileDocumentsOptions): FileDocuments {
  const directory = resolve(options.directory);
  const sweep = leftoverSweep(directory);

  function pathOf(key: string): string {
    assertDocumentKey(key);
    return join(directory, key);
  }

  async function prepare(): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await sweep();
  }

  return {
    async put(key, bytes) {
      const path = pathOf(key);
      await prepare();
      const temporary = temporaryPath(directory);
      try {
        await writeDurably(temporary, bytes);
        await rename(temporary, path);
      } catch (error) {
        await unlink(temporary).catch(() => {});
        throw error;
      }
      await syncDirectory(directory);
    },

    async get(key) {
      const path = pathOf(key);
      try {
        return await read(path);
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    },

    async link(key, ttlSeconds) {
      assertDocumentKey(key);
      const expires = String(Math.ceil(options.clock() / 1000 + ttlSeconds));
      const signed = signature(options.signingKeys[0], key, expires);
      return `${options.publicUrl()}/documents/${key}?expires=${expires}&signature=${signed}`;
    },

    async check() {
      await prepare();
      const probe = temporaryPath(directory);
      try {
        await writeDurably(probe, Buffer.from("ok"));
        await read(probe);
      } finally {
        await unlink(probe).catch(() => {});
      }
    },

    verifyLink(key, expires, given, now) {
      return isValidSignature(options.signingKeys, key, expires, given, now);
    },
  };
}

/** In the same directory, so that the rename cannot cross file systems. No key begins with a dot. */
function temporaryPath(directory: string): string {
  return join(directory, `.${randomUUID()}.tmp`);
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    for (let offset = 0; offset < bytes.length; ) {
      const { bytesWritten } = await file.write(bytes, offset, bytes.length - offset);
      offset += bytesWritten;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

async function read(path: string): Promise<Uint8Array> {
  const file = await open(path, constants.O_RDONLY | NO_FOLLOW);
  try {
    return new Uint8Array(await file.readFile());
  } finally {
    await file.close();
  }
}

async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
