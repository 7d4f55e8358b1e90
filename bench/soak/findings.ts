/** What should not have been, by the check that found it. */
export interface Findings {
  add(check: string, what: string): void;
  /** The names of the checks that found something. */
  checks(): string[];
  /** Everything in words, the first ones of each check. */
  text(): string;
}

const MAX_TOLD = 12;

export function createFindings(): Findings {
  const found = new Map<string, { count: number; readonly told: string[] }>();
  return {
    add(check, what) {
      const of = found.get(check) ?? { count: 0, told: [] };
      found.set(check, of);
      of.count += 1;
      if (of.told.length < MAX_TOLD) of.told.push(what);
    },
    checks: () => [...found.keys()],
    text: () =>
      [...found]
        .map(([check, { count, told }]) => {
          const more = count > told.length ? [`  and ${count - told.length} more`] : [];
          return [`${check}: ${count}`, ...told.map((what) => `  ${what}`), ...more].join("\n");
        })
        .join("\n"),
  };
}
