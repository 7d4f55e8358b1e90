import { createHash } from "node:crypto";
import pino from "pino";
import { createRenderers } from "../../worker/renderer.ts";
import type { Findings } from "./findings.ts";
import type { Site } from "./site.ts";
import type { StoredTask } from "./stored.ts";

const RENDERERS = 2;

export type Asked = {
  /** The ids that were answered. */
  readonly accepted: ReadonlySet<string>;
  /** How often an answer did not come. */
  readonly unknown: number;
};

/**
 * Every accepted task is DONE with one document, whose bytes can be made again by this (unbroken) tree from what the
 * task keeps; there is no other document, and no other task but those whose answer did not come.
 */
export async function checkDocuments(
  site: Site,
  tasks: readonly StoredTask[],
  { accepted, unknown }: Asked,
  findings: Findings,
): Promise<{ documents: number }> {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  for (const id of accepted) {
    if (!byId.has(id)) findings.add("every accepted task is stored", id);
  }
  const unasked = tasks.filter(({ id, kind }) => kind === "stats" && !accepted.has(id));
  if (unasked.length > unknown) {
    findings.add(
      "nothing is there that nobody wrote",
      `${unasked.length} tasks, ${unknown} answers did not come`,
    );
  }
  for (const { id, status, error, lease } of tasks) {
    if (status !== "DONE") findings.add("every accepted task is done", `${id}: ${status} ${error ?? ""}`);
    if (lease !== null) findings.add("no lease is held", `${id} by ${lease}`);
  }
  const keys = await site.listObjects();
  const wanted = new Set(tasks.map(({ id }) => `stats-${id}.pdf`));
  for (const key of keys) {
    if (!wanted.has(key)) findings.add("no object is without a task", key);
  }

  const left = tasks.filter(({ status }) => status === "DONE");
  const renderers = createRenderers(RENDERERS, { log: pino({ level: "silent" }) });
  await Promise.all(
    renderers.map(async (renderer) => {
      for (let task = left.pop(); task !== undefined; task = left.pop()) {
        const stored = await site.readObject(`stats-${task.id}.pdf`);
        if (stored === null) {
          findings.add("a task that is DONE has its document", task.id);
          continue;
        }
        const again = await renderer.render(task.report ?? "");
        const hashes = [sha256(stored), sha256(again)];
        if (hashes.some((hash) => hash !== task.sha256) || stored.length !== task.bytes) {
          findings.add("a document can be made again", `${task.id}: ${task.sha256}, ${hashes.join(", ")}`);
        }
      }
    }),
  );
  for (const renderer of renderers) renderer.kill();
  return { documents: keys.length };
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
