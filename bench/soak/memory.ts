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
// A process that was just started takes memory for what it will keep: what it does in the first half is not looked at.
const WARM_UP = 1 / 2;
/** With fewer, what the collector has not got round to yet is all that is seen. */
const FEWEST_SAMPLES = 45;
/**
 * A server has 20 MB more for a while after each password that it hashes, and a garbage collector takes its time: what
 * is kept shows in the least that a process has within so many seconds.
 */
const WINDOW = 15;

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
        const lows = lowsOf(looked);
        const perSecond = slope(lows);
        const middle = median(lows.map(({ mb }) => mb));
        const seconds = last.atSeconds - first.atSeconds;
        const grown = perSecond * seconds;
        lines.set(name, { from: middle - grown / 2, to: middle + grown / 2 });
        if (grown > ALLOWED_MB) {
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
 * A worker takes some 20 MB for its first thousand documents, and then stays (86 to 98 MB over 3,600): of that it may do
 * a half in the 75 s that are looked at in a run of ten minutes. A server's lows rose from 142 to 148 MB in five minutes.
 * Beside that, 4 KB kept of each of 60 requests a second is 18 MB.
 */
const ALLOWED_MB = 16;

/** The least of each window; one that is not whole says nothing. */
function lowsOf(samples: readonly Sample[]): Sample[] {
  const windows = Array.from({ length: Math.floor(samples.length / WINDOW) }, (_, index) =>
    samples.slice(index * WINDOW, (index + 1) * WINDOW),
  );
  return windows.map((window) => window.reduce((least, sample) => (sample.mb < least.mb ? sample : least)));
}

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
