import type { Core } from "../domain/core.ts";

const CHECK_TIMEOUT_MS = 3_000;

const KEPT_MS = 1_000;
type Checks = Readonly<Record<string, Awaited<ReturnType<typeof checked>>>>;
/** What can be down. A server needs all of it, but the bus only where there are several. */
const DEPENDENCIES = ["database", "queue", "bus", "documents", "mailer"] as const;
type Dependency = (typeof DEPENDENCIES)[number];

const lately = new WeakMap<Core["db"], { readonly at: number; readonly checks: Promise<Checks> }>();

/** One run for all who ask within a second: each writes a probe and asks every service. */
function checksOf(core: Core, needed: readonly Dependency[]): Promise<Checks> {
  const known = lately.get(core.db);
  if (known !== undefined && performance.now() - known.at < KEPT_MS) return known.checks;
  const checks = runChecks(core, needed);
  lately.set(core.db, { at: performance.now(), checks });
  return checks;
}

/** 200 when everything that is needed answers, else 503; names what is down and never why: the log does. */
export async function readiness(
  core: Core,
  isStopping: () => boolean,
  needed: readonly Dependency[] = DEPENDENCIES,
): Promise<Response> {
  const checks = await checksOf(core, needed);
  const ready = !isStopping() && Object.values(checks).every((check) => check.state === "up");
  const status = isStopping() ? "stopping" : ready ? "ready" : "unavailable";
  return Response.json(
    { status, checks },
    { status: ready ? 200 : 503, headers: { "Cache-Control": "no-store" } },
  );
}

/**
 * For a proxy that chooses among nodes: 503 once this one is stopping. It does not ask what all nodes share, without
 * which none of them is better than another: a mail server that is down must not take all of them away.
 */
export function takesRequests(isStopping: () => boolean): Response {
  const stopping = isStopping();
  return Response.json(
    { status: stopping ? "stopping" : "ready" },
    { status: stopping ? 503 : 200, headers: { "Cache-Control": "no-store" } },
  );
}

async function runChecks(core: Core, needed: readonly Dependency[]): Promise<Checks> {
  const asked = needed.filter((name) => name !== "bus" || core.bus.isShared);
  const answers = asked.map(async (name) => [name, await checked(core, name, checkOf(core, name))] as const);
  return Object.fromEntries(await Promise.all(answers));
}

function checkOf({ db, queue, bus, documents, mailer }: Core, name: Dependency): () => Promise<unknown> {
  return () => ({ database: db, queue, bus, documents, mailer })[name].check();
}

async function checked(core: Core, name: Dependency, check: () => Promise<unknown>) {
  const startedAt = performance.now();
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new Error("no answer in time")), CHECK_TIMEOUT_MS);
  let state: "up" | "down" = "up";
  try {
    await Promise.race([check(), timeout.promise]);
  } catch (error) {
    state = "down";
    core.log.warn({ dependency: name, err: error }, "a dependency is down");
  } finally {
    clearTimeout(timer);
  }
  return { state, ms: Math.round((performance.now() - startedAt) * 10) / 10 };
}
