import { readFile } from "node:fs/promises";

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/** How many transactions a write-ahead log holds: the last frame of each has the database's size in its header. */
export async function commitsIn(path: string): Promise<number> {
  const log = new DataView((await readFile(`${path}-wal`)).buffer);
  const frameBytes = FRAME_HEADER_BYTES + log.getUint32(8);
  let commits = 0;
  for (let at = HEADER_BYTES; at + frameBytes <= log.byteLength; at += frameBytes) {
    const isOfThisLog = log.getUint32(at + 8) === log.getUint32(16);
    if (isOfThisLog && log.getUint32(at + 4) !== 0) commits++;
  }
  return commits;
}
