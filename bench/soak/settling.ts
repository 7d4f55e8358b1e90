import { PASSWORD } from "../../test/support/chat.ts";
import type { Caller } from "./caller.ts";
import type { Findings } from "./findings.ts";
import type { Site } from "./site.ts";
import { look, type Stored } from "./stored.ts";

// A node that was killed is forgotten after a minute; a lease of a worker that was killed runs out as late.
const SETTLE_MS = 180_000;
// When something was found already, tasks are not waited for as long; dead nodes are.
const SETTLE_WHEN_RED_MS = 10_000;
const FORGOTTEN_MS = 75_000;
const LOOK_MS = 250;
const PAGE = 100;
const ADMIN = "administrator";

/** Adds the administrator, as an operator does: in the shell. */
export async function addAdministrator({ command, env }: Site): Promise<void> {
  const words = ["user", "add", `${ADMIN}@example.org`, "--username", ADMIN, "--role", "admin"];
  const child = Bun.spawn(command(...words, "--password-stdin"), {
    env: { ...env },
    stdin: Buffer.from(`${PASSWORD}\n`),
    stdout: "ignore",
    stderr: "pipe",
  });
  const said = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`no administrator could be added: ${said}`);
}

/** What must be so when nothing was asked for a while, each with the words for what is left. */
function unsettled(site: Site, stored: Stored): string[] {
  const { count } = stored;
  const open = count("SELECT count(*) FROM report_tasks WHERE status IN ('PENDING', 'PROCESSING')");
  const nodes = count("SELECT count(*) FROM nodes");
  const present = count("SELECT count(*) FROM presence");
  // One that a server had in hand when it was killed is due again a minute later: it may wait.
  const mails = count("SELECT count(*) FROM mails WHERE due_at < (unixepoch() - 5) * 1000");
  return [
    ...(open > 0 ? [`${open} tasks are not done`] : []),
    ...(nodes !== site.sharedNodes ? [`${nodes} nodes are said to live`] : []),
    ...(present > 0 ? [`${present} people are said to be there`] : []),
    ...(mails > 0 ? [`${mails} mails are overdue`] : []),
  ];
}

export type Settled = {
  /** Tasks that an administrator tried again. */
  readonly retried: number;
  readonly ms: number;
  /** What was waited for last, in words. */
  readonly last: string;
};

/** Waits until nothing is left to do. Tasks that used up their tries are tried again, as an administrator would. */
export async function settle(site: Site, caller: Caller, findings: Findings): Promise<Settled> {
  const from = performance.now();
  const whenRedMs = site.sharedNodes > 0 ? FORGOTTEN_MS : SETTLE_WHEN_RED_MS;
  const givesUpAt = from + (findings.checks().length > 0 ? whenRedMs : SETTLE_MS);
  let retried = 0;
  let last = "nothing";
  for (;;) {
    const left = look(site.databaseFile, (stored) => unsettled(site, stored));
    if (left.length === 0) {
      const failed = await retryFailed(caller);
      retried += failed;
      if (failed === 0) break;
    } else last = left.join(", ");
    if (left.length > 0 && performance.now() > givesUpAt) {
      for (const what of left) findings.add("everything comes to rest", what);
      break;
    }
    await Bun.sleep(LOOK_MS);
  }
  for (const [queue, depth] of Object.entries(await site.queueDepths())) {
    if (depth > 0) findings.add("nothing waits at the broker", `${depth} in ${queue}`);
  }
  return { retried, ms: performance.now() - from, last };
}

/** Each try was cut off by harm of ours: by a store that was away, or a worker that was killed. */
async function retryFailed(caller: Caller): Promise<number> {
  const { body } = await caller.insist(ADMIN, "POST", "/api/auth/login", {
    body: { username: ADMIN, password: PASSWORD },
    expected: [200],
  });
  const token: string = body.access_token;
  const failed = await caller.insist(ADMIN, "GET", `/api/admin/tasks?status=FAILED&limit=${PAGE}`, {
    token,
    expected: [200],
  });
  for (const { id } of failed.body.data) {
    await caller.insist(ADMIN, "POST", `/api/admin/tasks/${id}/retry`, {
      token,
      body: {},
      expected: [200, 409],
    });
  }
  return failed.body.data.length;
}
