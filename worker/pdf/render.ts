import { PDFDocument, PDFName } from "pdf-lib";
import type { Report } from "../../src/domain/report.ts";
import type { Canvas } from "./canvas.ts";
import { cleanText } from "./clean.ts";
import { embedFont } from "./embed.ts";
import { dateAt } from "./format.ts";
import {
  drawCounters,
  drawFooter,
  drawHeader,
  drawResults,
  drawTable,
  PAGE,
  TABLE_ROWS,
  type Texts,
} from "./sections.ts";
import { isWinAnsi } from "./shape.ts";
import type { Typesetter } from "./typeset.ts";

const PRODUCT = "Guildhall";
/** As many as the narrowest letters can be in the table's column. */
const MAX_ROLE_GRAPHEMES = 90;

/** One A4 page. The same report gives the same bytes, in every process. */
export async function renderReport(report: Report): Promise<Uint8Array> {
  const latest = report.games.slice(-TABLE_ROWS).reverse();
  const name = cleanText(report.username);
  const fullName = report.fullName === null ? null : cleanText(report.fullName);
  const texts: Texts = {
    name,
    fullName: fullName === name ? null : fullName,
    roles: latest.map((game) => cleanText(game.role, MAX_ROLE_GRAPHEMES)),
    taskId: cleanText(report.taskId),
  };
  const canvas: Canvas = { height: PAGE.height, operators: [] };
  const standard = [name, fullName ?? "", texts.taskId, ...texts.roles].every(isWinAnsi);
  const type: Typesetter = { canvas, standard, fonts: new Map() };
  drawHeader(type, report, texts);
  drawCounters(type, report.counters);
  drawResults(type, report);
  drawTable(type, latest, texts.roles);
  drawFooter(type, report.madeAt, texts.taskId);
  return write(type, report, name);
}

async function write(type: Typesetter, report: Report, name: string): Promise<Uint8Array> {
  const document = await PDFDocument.create({ updateMetadata: false });
  const { context } = document;
  const made = dateAt(report.madeAt) ?? new Date(0);
  document.setTitle(`Player statistics: ${name}`, { showInWindowTitleBar: true });
  document.setLanguage("en");
  document.setCreator(PRODUCT);
  document.setProducer(PRODUCT);
  document.setCreationDate(made);
  document.setModificationDate(made);
  const page = document.addPage([PAGE.width, PAGE.height]);
  const content = context.flateStream(type.canvas.operators.join("\n"));
  const fonts = context.obj({});
  for (const [font, use] of type.fonts) fonts.set(PDFName.of(use.resource), embedFont(context, font, use));
  page.node.set(PDFName.of("Contents"), context.register(content));
  page.node.set(PDFName.of("Resources"), context.obj({ Font: fonts }));
  // The default pauses with a timer every 50 objects; a page has about 30.
  return document.save({ useObjectStreams: false, objectsPerTick: Number.POSITIVE_INFINITY });
}
