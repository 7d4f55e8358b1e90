/** Every request: who sent what to which node when, and what came of it. */
export interface CallRecord {
  /** Notes a request that goes out; the answer notes how it ended. */
  invoked(who: string, node: string, request: string): (end: End) => void;
  counts(): Readonly<Record<End["kind"], number>>;
  /** Unknown ones by their reason. */
  reasons(): ReadonlyMap<string, number>;
  /** The longest time in which nothing was answered, in milliseconds. */
  worstSilenceMs(): number;
  /** One line each, in the order in which they ended; those without an end come last. */
  text(): string;
}

export type End =
  | { readonly kind: "answered"; readonly status: number; readonly body: string }
  /** It may have been done, or may still be. */
  | { readonly kind: "unknown"; readonly why: string }
  /** Nobody took it: the node was down. */
  | { readonly kind: "refused" };

const MAX_BODY_CHARACTERS = 300;

export function createCallRecord(): CallRecord {
  const lines: string[] = [];
  const open = new Set<string>();
  const counts = { answered: 0, unknown: 0, refused: 0 };
  const reasons = new Map<string, number>();
  let lastAnswerAt: number | null = null;
  let worstSilenceMs = 0;

  function answered(): void {
    const now = performance.now();
    if (lastAnswerAt !== null) worstSilenceMs = Math.max(worstSilenceMs, now - lastAnswerAt);
    lastAnswerAt = now;
  }

  return {
    invoked(who, node, request) {
      const at = performance.now();
      const line = `${at.toFixed(0)} ${who} ${node} ${request}`;
      open.add(line);
      return (end) => {
        open.delete(line);
        counts[end.kind] += 1;
        // A node that is down is asked again and again: that says nothing.
        if (end.kind === "refused") return;
        if (end.kind === "answered") answered();
        else reasons.set(end.why, (reasons.get(end.why) ?? 0) + 1);
        const told =
          end.kind === "answered" ? `${end.status} ${end.body.slice(0, MAX_BODY_CHARACTERS)}` : end.why;
        lines.push(`${line} -> ${(performance.now() - at).toFixed(0)} ms ${told}`);
      };
    },
    counts: () => counts,
    reasons: () => reasons,
    worstSilenceMs: () => worstSilenceMs,
    text: () => [...lines, ...[...open].map((line) => `${line} -> no end`)].join("\n"),
  };
}
