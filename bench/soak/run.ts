import { join } from "node:path";
import { eventually } from "../../test/adapters/eventually.ts";
import { randomFrom } from "../../test/support/random.ts";
import { closeOnSignal, createLab, type Lab } from "../lab.ts";
import { brokenTree } from "./broken-tree.ts";
import { createCaller } from "./caller.ts";
import { createChaos } from "./chaos.ts";
import { checkDocuments } from "./document-check.ts";
import { embeddedSite } from "./embedded-site.ts";
import { keepEvidence } from "./evidence.ts";
import { figures } from "./figures.ts";
import { createFindings, type Findings } from "./findings.ts";
import { createMemoryWatch } from "./memory.ts";
import { createCallRecord } from "./record.ts";
import { scaledSite } from "./scaled-site.ts";
import { addAdministrator, type Settled, settle } from "./settling.ts";
import type { Site } from "./site.ts";
import { look } from "./stored.ts";
import { blog } from "./traffic/blog.ts";
import { type ChatTraffic, chat } from "./traffic/chat.ts";
import { documents } from "./traffic/documents.ts";
import { families } from "./traffic/families.ts";
import { people } from "./traffic/people.ts";
import { players } from "./traffic/players.ts";
import type { Traffic, World } from "./traffic/traffic.ts";

export type Form = "embedded" | "scaled";

export type SoakOptions = {
  readonly form: Form;
  readonly seconds: number;
  readonly kills: number;
  readonly seed: number;
  /** One of BREAKS, or null for the product as it is. */
  readonly mistake: string | null;
};

export type SoakResult = {
  /** The checks that found something; none: all is well. */
  readonly failed: readonly string[];
  readonly text: string;
  /** The folder that was kept when something was found. */
  readonly evidence: string | null;
};

const ROOT = join(import.meta.dir, "../..");
/** The last part of the time nothing is done harm to: there memory has to be flat. */
const QUIET = 1 / 4;
/** Messages, before anything is killed. */
const SAID_FIRST = 10;
const BEGIN_MS = 60_000;
// Every request ends by then, also those that are repeated until they are answered.
const END_MS = 150_000;

/** Starts a whole system, lets people use it while its parts come and go, and looks whether all is there. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const lab = createLab();
  const unhook = closeOnSignal(lab);
  try {
    return await inLab(lab, options);
  } finally {
    await lab.close();
    unhook();
  }
}

async function inLab(lab: Lab, { form, seconds, kills, seed, mistake }: SoakOptions): Promise<SoakResult> {
  const folder = await lab.folder();
  const root = mistake === null ? ROOT : await brokenTree(mistake, folder);
  const findings = createFindings();
  const record = createCallRecord();
  const site = await (form === "embedded" ? embeddedSite : scaledSite)(lab, root, folder, findings);
  const random = randomFrom(seed);
  const chaos = createChaos({
    targets: site.targets,
    // Of its own, so that what is done harm to does not depend on how fast the requests are answered.
    random: randomFrom(seed + 1),
    kills,
    durationMs: seconds * 1000 * (1 - QUIET),
    lab,
  });
  for (const target of site.targets) if (!target.isUp()) await target.start();
  await addAdministrator(site);

  let isOver = false;
  const { nodes } = site;
  const caller = createCaller({ nodes, record, findings, random });
  const world: World = { caller, findings, random, nodes, isOver: () => isOver };
  const playing = players(world);
  const asking = documents(world, playing.known);
  const talking = chat(world);
  const all: Readonly<Record<string, Traffic>> = {
    people: people(world),
    families: families(world),
    players: playing,
    documents: asking,
    blog: blog(world),
    chat: talking,
  };
  const memory = createMemoryWatch(site.processes);

  const attempt = (check: string, act: () => Promise<unknown>) =>
    act().catch((error: unknown) => {
      findings.add(check, error instanceof Error ? (error.stack ?? error.message) : String(error));
    });
  const running = Promise.all(
    Object.entries(all).map(([name, traffic]) => attempt(`the traffic of ${name} goes on`, traffic.run)),
  );
  // On a slow machine the time would be over before there is anything to lose.
  await attempt("there is traffic", () =>
    eventually(() => (talking.figures().said ?? 0) >= SAID_FIRST && asking.accepted.size > 0, BEGIN_MS),
  );
  await attempt("what was killed starts again", chaos.run);
  memory.start();
  await Bun.sleep(seconds * 1000 * QUIET);
  memory.end(findings);
  isOver = true;
  const worstSilenceMs = record.worstSilenceMs();
  const hasEnded = await Promise.race([running.then(() => true), Bun.sleep(END_MS).then(() => false)]);
  if (!hasEnded) findings.add("every request has an end", record.text().split("\n").slice(-20).join("\n"));

  const check = ([name, traffic]: readonly [string, Traffic]) =>
    attempt(`the traffic of ${name} can be checked`, traffic.check);
  // Documents may still be made.
  for (const entry of Object.entries(all)) if (entry[1] !== asking) await check(entry);
  await talking.close();
  let settled: Settled = { retried: 0, ms: 0, last: "nothing" };
  await attempt("everything comes to rest", async () => {
    settled = await settle(site, caller, findings);
  });
  await check(["documents", asking]);
  await attempt("leftovers are cleared away", () => checkLeftovers(site, findings));
  for (const { isUp, stop } of site.processes) if (isUp()) await stop();
  const tasks = look(site.databaseFile, (stored) => stored.tasks());
  let stored = { documents: 0 };
  await attempt("every document can be looked at", async () => {
    stored = await checkDocuments(
      site,
      tasks,
      { accepted: asking.accepted, unknown: asking.unknown() },
      findings,
    );
  });
  for (const { isUp, stop } of site.targets) if (isUp()) await stop();
  checkDatabase(site, talking, findings);

  const failed = findings.checks();
  const evidence = failed.length === 0 ? null : await keepEvidence(site, record, talking, findings);
  const table = figures({
    form,
    seed,
    record,
    chaos,
    all,
    memory,
    worstSilenceMs,
    settled,
    ...stored,
    tasks: tasks.length,
  });
  const verdict =
    evidence === null
      ? [`${form}: GREEN`]
      : [`${form}: RED`, findings.text(), `what was asked, heard and stored is in ${evidence}`];
  return { failed, text: [table, ...verdict].join("\n"), evidence };
}

/** A put that was cut off leaves a file, which is removed when it is old. */
async function checkLeftovers(site: Site, findings: Findings): Promise<void> {
  if ((await site.leftovers()).length === 0) return;
  for (const target of site.processes) await target.stop();
  await site.ageLeftovers();
  for (const target of site.processes) await target.start();
  for (const node of site.nodes) await fetch(`${node}/readyz`);
  for (const name of await site.leftovers()) findings.add("leftovers are cleared away", name);
}

function checkDatabase(site: Site, talking: ChatTraffic, findings: Findings): void {
  look(site.databaseFile, (stored) => {
    for (const flaw of stored.flaws()) findings.add("the database is sound", flaw);
    talking.compare(stored.rooms());
    // Each said good-bye.
    const nodes = stored.count("SELECT count(*) FROM nodes");
    if (nodes > 0) findings.add("no dead node is said to live", `${nodes}`);
    const wrong =
      stored.count(`SELECT count(*) FROM accounts LEFT JOIN player_counters ON account_id = accounts.id
      WHERE coalesce(session_count, 0) <> (SELECT count(*) FROM games WHERE games.account_id = accounts.id)`);
    if (wrong > 0) findings.add("counters are the sum of the games", `of ${wrong} accounts they are not`);
  });
}
