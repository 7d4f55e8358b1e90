import { hasProc, residentMemory } from "../proc.ts";
import type { Findings } from "./findings.ts";
import type { Target } from "./target.ts";

/** Watches the resident memory of processes that are left alone. */
export interface MemoryWatch {
  start(): void;
  /** Adds what grew to the findings. */
  end(findings: Findings): void;
  /** In MB: at the beginning and the end of the fit, by process. */
  figures(): ReadonlyMap<string, { readonly from: number; readonly to: number }>;
}

type Sample = { readonly atSeconds: number; readonly mb: number };

const EVERY_MS = 1_000;
// A process that was just started takes memory for what it will keep: what it does in the first third is not looked at.
const WARM_UP = 1 / 3;
/** With fewer, what the collector has not got round to yet is all that is seen. */
const FEWEST_SAMPLES = 30;

export function createMemoryWatch(targets: readonly Target[]): MemoryWatch {
  const samples = new Map<Target, { readonly pid: number; readonly all: Sample[] }>();
  const lines = new Map<string, { from: number; to: number }>();
  let timer: Timer | undefined;

  async function sample(): Promise<void> {
    for (const target of targets) {
      const pid = target.pid();
      const mb = pid === null ? null : await residentMemory(pid);
      if (pid === null || mb === null) continue;
      const of = samples.get(target);
      const atSeconds = performance.now() / 1000;
      // Another process has nothing to do with the one before.
      if (of?.pid === pid) of.all.push({ atSeconds, mb });
      else samples.set(target, { pid, all: [{ atSeconds, mb }] });
    }
  }

  return {
    start() {
      if (hasProc()) timer = setInterval(() => void sample(), EVERY_MS);
    },
    end(findings) {
      clearInterval(timer);
      for (const [{ name }, { all }] of samples) {
        const looked = all.slice(Math.floor(all.length * WARM_UP));
        const [first, last] = [looked[0], looked.at(-1)];
        if (looked.length < FEWEST_SAMPLES || first === undefined || last === undefined) continue;
        const perSecond = slope(looked);
        const middle = median(looked.map(({ mb }) => mb));
        const seconds = last.atSeconds - first.atSeconds;
        const grown = perSecond * seconds;
        lines.set(name, { from: middle - grown / 2, to: middle + grown / 2 });
        if (grown > allowedMb(middle)) {
          findings.add(
            "memory is flat",
            `${name} grew by ${grown.toFixed(1)} MB from ${(middle - grown / 2).toFixed(0)} MB in ${seconds.toFixed(0)} s`,
          );
        }
      }
    },
    figures: () => lines,
  };
}

/**
 * What a process at rest may seem to grow by in the time that is looked at.
 */
const allowedMb = (mb: number): number => Math.max(12, mb * 0.1);

/** Theil and Sen: the median of the slopes between all pairs, which neither peaks nor a third of outliers move. */
function slope(samples: readonly Sample[]): number {
  const slopes = samples.flatMap((from, index) =>
    samples.slice(index + 1).map((to) => (to.mb - from.mb) / (to.atSeconds - from.atSeconds)),
  );
  return median(slopes);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle) - 1] ?? 0)) / 2;
}
