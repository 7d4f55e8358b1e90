import type { Chaos } from "./chaos.ts";
import type { MemoryWatch } from "./memory.ts";
import type { CallRecord } from "./record.ts";
import type { Settled } from "./settling.ts";
import type { Traffic } from "./traffic/traffic.ts";

export type Figures = {
  readonly form: string;
  readonly seed: number;
  readonly record: CallRecord;
  readonly chaos: Chaos;
  readonly all: Readonly<Record<string, Traffic>>;
  readonly memory: MemoryWatch;
  readonly worstSilenceMs: number;
  readonly settled: Settled;
  readonly tasks: number;
  readonly documents: number;
};

/** The table that a run ends with. */
export function figures({
  form,
  seed,
  record,
  chaos,
  all,
  memory,
  worstSilenceMs,
  settled,
  tasks,
  documents,
}: Figures): string {
  const { answered, unknown, refused } = record.counts();
  const list = (of: Iterable<readonly [string, unknown]>) =>
    [...of].map(([name, value]) => `${name} ${value}`).join(", ");
  const rows: [string, string][] = [
    ["form, seed", `${form}, ${seed}`],
    ["requests", `${answered} answered, ${unknown} unknown, ${refused} not taken`],
    ["unknown because of", list(record.reasons())],
    ["killed, stopped, frozen", `${chaos.total("kill")}, ${chaos.total("stop")}, ${chaos.total("freeze")}`],
    ["each", list([...chaos.counts()].sort())],
    ["worst silence", `${(worstSilenceMs / 1000).toFixed(1)} s`],
    ["tasks, documents", `${tasks}, ${documents}, ${settled.retried} tried again by an administrator`],
    ["at rest after", `${(settled.ms / 1000).toFixed(1)} s, waited last for: ${settled.last}`],
    ...Object.entries(all).map(([name, traffic]): [string, string] => [
      name,
      list(Object.entries(traffic.figures())),
    ]),
    [
      "memory",
      list(
        [...memory.figures()].map(([name, { from, to }]) => [
          name,
          `${from.toFixed(0)} to ${to.toFixed(0)} MB`,
        ]),
      ) || "too short to tell",
    ],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}
