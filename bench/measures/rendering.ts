import { PDFDocument } from "pdf-lib";
import { renderReport } from "../../worker/pdf/render.ts";
import { median } from "../quantiles.ts";
import { sampleReport } from "../reports.ts";
import type { Row } from "../row.ts";
import type { Measure } from "./measure.ts";

// What a renderer has behind it for most of its life.
const WARM_UP = 200;
const DOCUMENTS = 100;

// Several of each, for a renderer that remembered the last name would look faster than it is.
const NAMES = {
  "in a standard font": ["Grace Hopper", "Ada Lovelace", "Jürgen Weiß", "François Ponce", "Inés Núñez"],
  "Cyrillic, embedded": [
    "Екатерина Смирнова",
    "Дмитрий Щукин",
    "Наталья Жукова",
    "Юрий Гагарин",
    "Фёдор Эйхенвальд",
  ],
  "Chinese, embedded": ["王小明", "李娜", "张伟国", "陈静怡", "刘德华"],
} as const;

/** One report after the other on one core, in this process. */
export const rendering: Measure = async () => {
  const empty = await medianMs(emptyPage);
  const row = async (script: keyof typeof NAMES, goal: Row["goal"]): Promise<Row> => ({
    name: `a report of 200 games, ${script}`,
    unit: "ms",
    measured: await medianMs(async (index) => {
      const names = NAMES[script];
      const report = sampleReport(names[index % names.length] ?? "");
      const startedAt = performance.now();
      await renderReport(report);
      return performance.now() - startedAt;
    }),
    limit: { what: "an empty page", value: empty },
    goal,
  });
  return [
    await row("in a standard font", { most: 3 }),
    await row("Cyrillic, embedded", { most: 10 }),
    await row("Chinese, embedded", null),
  ];
};

async function emptyPage(): Promise<number> {
  const startedAt = performance.now();
  const document = await PDFDocument.create({ updateMetadata: false });
  document.addPage();
  await document.save({ useObjectStreams: false, objectsPerTick: Number.POSITIVE_INFINITY });
  return performance.now() - startedAt;
}

async function medianMs(make: (index: number) => Promise<number>): Promise<number> {
  for (let index = 0; index < WARM_UP; index++) await make(index);
  const times: number[] = [];
  for (let index = 0; index < DOCUMENTS; index++) times.push(await make(index));
  return median(times);
}
