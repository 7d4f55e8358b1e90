import { constants } from "node:fs";
import { chmod, copyFile, link, open, statfs } from "node:fs/promises";
import { CommandError } from "../run.ts";

const CHUNK_BYTES = 1024 * 1024;
// What a disk keeps for everything else: the server that goes on writes too.
const MARGIN_BYTES = 16 * 1024 * 1024;

export type Digest = { readonly bytes: number; readonly sha256: string };

/** Reads a file of any size in constant memory. */
export async function digestOf(path: string): Promise<Digest> {
  const hasher = new Bun.CryptoHasher("sha256");
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  const file = await open(path, constants.O_RDONLY);
  try {
    let bytes = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return { bytes, sha256: hasher.digest("hex") };
      hasher.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** Durable when it resolves, but for its name: sync the folder after. */
export async function copyDurably(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  // Not those of the copy, which may have come from a file system or a store that knows none.
  await chmod(to, 0o600);
  await sync(to);
}

/** False where the file system has no links, or it is another one. */
export async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || !NO_LINK.has(codeOf(error) ?? "")) throw error;
    return false;
  }
}

const NO_LINK: ReadonlySet<string> = new Set([
  "EXDEV",
  "EPERM",
  "EMLINK",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
  "EINVAL",
]);

export async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

// Windows syncs only what is open for writing.
const TO_SYNC = process.platform === "win32" ? "r+" : "r";

/** Of a file or of a folder's names. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, TO_SYNC).catch((error: unknown) => {
    // A folder cannot be opened on Windows.
    if (codeOf(error) === "EISDIR" || codeOf(error) === "EPERM") return null;
    throw error;
  });
  if (handle === null) return;
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Throws a CommandError where the disk has no room for so many bytes. */
export async function requireSpace(directory: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const free = Number(bavail) * Number(bsize);
  if (free >= bytes + MARGIN_BYTES) return;
  throw new CommandError(
    `The disk of ${directory} has ${inWords(free)} left, and ${inWords(bytes + MARGIN_BYTES)} are needed.`,
  );
}

const UNITS = ["bytes", "KB", "MB", "GB", "TB"];

/** Such as `1.2 GB` (10^9 bytes). */
export function inWords(bytes: number): string {
  let [value, unit] = [bytes, 0];
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${UNITS[unit]}`;
}

export const codeOf = (error: unknown): string | null =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;

/** A failure of the disk as a sentence; anything else as it is. */
export function inSentence(error: unknown, what: string, directory: string): unknown {
  const code = codeOf(error);
  if (error instanceof CommandError || code === null) return error;
  const full = code === "ENOSPC" || code === "EDQUOT" || code === "SQLITE_FULL";
  const why = full ? `the disk of ${directory} is full` : error instanceof Error ? error.message : code;
  return new CommandError(`${what}: ${why}.`, { cause: error });
}
