import { readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";

// A write takes seconds; what is older was left by a process that died in it.
const LEFTOVER_MS = 10 * 60_000;
const SWEEP_EVERY_MS = 60 * 60_000;

/** Removes old `.*.tmp` and `.*.probe` files of a folder; called before each write, it looks once an hour. */
export function leftoverSweep(directory: string): () => Promise<void> {
  let sweptAt = Number.NEGATIVE_INFINITY;
  return async function sweep() {
    if (performance.now() - sweptAt < SWEEP_EVERY_MS) return;
    sweptAt = performance.now();
    for (const name of await readdir(directory)) {
      if (/^\..*\.(tmp|probe)$/.test(name)) await removeIfOld(join(directory, name));
    }
  };
}

async function removeIfOld(path: string): Promise<void> {
  // A file's age is told by the machine's clock, not by ours.
  const age = await stat(path)
    .then((found) => Date.now() - found.mtimeMs)
    .catch(() => 0);
  if (age > LEFTOVER_MS) await unlink(path).catch(() => {});
}
