import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { $ } from "bun";
import type { Report } from "../../src/domain/report.ts";
import { renderReport } from "../../worker/pdf/render.ts";
import { requireTool } from "../support/tools.ts";

export const hasPoppler = ["pdftotext", "pdffonts", "pdfinfo"].every(requireTool);

export type Seen = {
  readonly text: string;
  readonly fonts: string;
  readonly info: string;
  /** Complaints about the file's structure. */
  readonly errors: string;
};

/** The document as another program reads it; runs of spaces and direction marks are taken out of the text. */
export async function see(report: Report): Promise<Seen> {
  const folder = await mkdtemp(join(tmpdir(), "guildhall-pdf-"));
  try {
    const path = join(folder, "report.pdf");
    await Bun.write(path, await renderReport(report));
    const [text, fonts, info] = await Promise.all([
      $`pdftotext ${path} -`.quiet(),
      $`pdffonts ${path}`.quiet(),
      $`pdfinfo ${path}`.quiet(),
    ]);
    return {
      text: text.stdout.toString().replace(/[\u202a-\u202e]/g, ""),
      fonts: fonts.stdout.toString(),
      info: info.stdout.toString(),
      errors: `${text.stderr}${fonts.stderr}${info.stderr}`,
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}
