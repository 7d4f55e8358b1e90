import { z } from "zod";
import type { Report } from "../src/domain/report.ts";
import { renderReport } from "./pdf/render.ts";
import type { RenderAnswer, RenderRequest } from "./renderer.ts";

const counter = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** What the parent keeps in the task's row, read back. */
const ReportSchema: z.ZodType<Report> = z.object({
  version: z.literal(1),
  taskId: z.string(),
  accountUuid: z.string(),
  username: z.string(),
  fullName: z.string().nullable(),
  madeAt: z.number(),
  counters: z.object({
    victoryCount: counter,
    lossCount: counter,
    sessionCount: counter,
    totalTimeSeconds: counter,
  }),
  games: z.array(
    z.object({
      role: z.string(),
      result: z.enum(["win", "loss", "draw"]),
      durationSeconds: counter,
      playedAt: z.number(),
    }),
  ),
});

/**
 * The child process: reports in and bytes out over IPC, until the parent is gone. It has no database and no
 * secret. Signals are the parent's affair: it stops this process when the running job is done.
 */
export function serveRenderer(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  process.on("disconnect", () => process.exit(0));
  process.on("message", async (message: unknown) => {
    const { id, report } = message as RenderRequest;
    process.send?.(await answer(id, report));
  });
}

async function answer(id: number, report: string): Promise<RenderAnswer> {
  try {
    return { id, bytes: await renderReport(ReportSchema.parse(JSON.parse(report))) };
  } catch (error) {
    return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
