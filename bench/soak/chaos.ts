import type { Target } from "./target.ts";

export type Harm = "kill" | "stop" | "freeze";

export interface Chaos {
  /** Does harm until all is done or the time is over; resolves when everything is up again. */
  run(): Promise<void>;
  /** Lets go on what stands still: only then it hears that it is to end. */
  thawAll(): void;
  /** How often what was done to whom, in the form `kill server`. */
  counts(): ReadonlyMap<string, number>;
  total(harm: Harm): number;
}

export type ChaosOptions = {
  readonly targets: readonly Target[];
  readonly random: () => number;
  /** SIGKILLs. Of stops and freezes there come a quarter as many each. */
  readonly kills: number;
  readonly durationMs: number;
};

// Short enough that a document's five tries outlast what the store is away.
const LONGEST_DOWN_MS = 1_500;
const SHORTEST_FREEZE_MS = 500;
/** Nothing stands still for longer. */
const LONGEST_FREEZE_MS = 4_000;
const STOPS_PER_KILL = 0.25;
const LOOK_MS = 25;

/** Kills, stops and freezes by chance; each is started again, while others may already be done harm to. */
export function createChaos({ targets, random, kills, durationMs }: ChaosOptions): Chaos {
  const counts = new Map<string, number>();
  const totals: Record<Harm, number> = { kill: 0, stop: 0, freeze: 0 };
  const frozen = new Set<Target>();
  const busy = new Set<Target>();

  function plan(): Harm[] {
    const stops = Math.ceil(kills * STOPS_PER_KILL);
    const harms: Harm[] = [
      ...Array.from({ length: kills }, () => "kill" as const),
      ...Array.from({ length: stops }, () => "stop" as const),
      ...Array.from({ length: stops }, () => "freeze" as const),
    ];
    return harms
      .map((harm) => ({ harm, at: random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ harm }) => harm);
  }

  /** One that is up and left alone, by weight; null when there is none. */
  function choose(): Target | null {
    const up = targets.filter((target) => target.isUp() && !busy.has(target) && target.isSpared?.() !== true);
    let at = random() * up.reduce((sum, { weight }) => sum + weight, 0);
    for (const target of up) {
      at -= target.weight;
      if (at < 0) return target;
    }
    return up.at(-1) ?? null;
  }

  async function does(harm: Harm, target: Target): Promise<void> {
    totals[harm] += 1;
    const name = `${harm} ${target.name}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    if (harm === "freeze") {
      frozen.add(target);
      await target.freeze();
      await Bun.sleep(SHORTEST_FREEZE_MS + random() * (LONGEST_FREEZE_MS - SHORTEST_FREEZE_MS));
      target.thaw();
      frozen.delete(target);
      return;
    }
    await (harm === "kill" ? target.kill() : target.stop());
    // Often at once, as a service manager does.
    await Bun.sleep(random() ** 2 * LONGEST_DOWN_MS);
    await target.start();
  }

  return {
    async run() {
      const startedAt = performance.now();
      const harms = plan();
      const under: Promise<void>[] = [];
      const failed = Promise.withResolvers<never>();
      failed.promise.catch(() => {});
      for (const [index, harm] of harms.entries()) {
        // Spread over the time, each somewhere in its share.
        const at = startedAt + (durationMs * (index + random())) / harms.length;
        await Promise.race([Bun.sleep(Math.max(0, at - performance.now())), failed.promise]);
        let target = choose();
        while (target === null) {
          await Promise.race([Bun.sleep(LOOK_MS), failed.promise]);
          target = choose();
        }
        const chosen = target;
        busy.add(chosen);
        const done = does(harm, chosen).finally(() => busy.delete(chosen));
        done.catch(failed.reject);
        under.push(done);
      }
      await Promise.all(under);
    },
    thawAll() {
      for (const target of frozen) target.thaw();
    },
    counts: () => counts,
    total: (harm) => totals[harm],
  };
}
