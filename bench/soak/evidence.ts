import { copyFile, mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Findings } from "./findings.ts";
import type { CallRecord } from "./record.ts";
import type { Site } from "./site.ts";
import type { ChatTraffic } from "./traffic/chat.ts";

/** Copies what is needed for finding the cause to a folder that stays. */
export async function keepEvidence(
  site: Site,
  record: CallRecord,
  talking: ChatTraffic,
  findings: Findings,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "guildhall-soak-red-"));
  await Bun.write(join(folder, "requests.txt"), record.text());
  await Bun.write(join(folder, "heard.txt"), talking.text());
  await Bun.write(join(folder, "findings.txt"), findings.text());
  await mkdir(join(folder, "output"));
  for (const { name, output } of site.targets) {
    await Bun.write(join(folder, "output", `${name}.txt`), await output().catch(() => ""));
  }
  for (const ending of ["", "-wal"]) {
    const path = site.databaseFile + ending;
    await copyFile(path, join(folder, basename(path))).catch(() => {});
  }
  return folder;
}
