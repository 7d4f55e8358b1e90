import type { FrameError } from "./shapes.ts";

/** A message on its way. `refusal`: the server will not take it as it is. */
export type Waiting = {
  readonly key: string;
  readonly content: string;
  readonly refusal: { readonly code: FrameError; readonly message: string } | null;
};

const MAX_WAITING = 100;
const KEY_BYTES = 16;

export const newKey = (): string => crypto.getRandomValues(new Uint8Array(KEY_BYTES)).toHex();

/**
 * What somebody has said in a room and the server has not stored yet. It outlives the page; another tab may hold
 * the same, and since a key is stored once, both may send it.
 */
export function createOutbox(accountId: number, roomId: string) {
  const place = `guildhall.outbox.${accountId}.${roomId}`;

  function read(): readonly Waiting[] {
    try {
      const kept: unknown = JSON.parse(localStorage.getItem(place) ?? "[]");
      return Array.isArray(kept) ? (kept as Waiting[]) : [];
    } catch {
      return [];
    }
  }

  function write(next: readonly Waiting[]): readonly Waiting[] {
    if (next.length === 0) localStorage.removeItem(place);
    else localStorage.setItem(place, JSON.stringify(next));
    return next;
  }

  return {
    read,
    isFull: () => read().length >= MAX_WAITING,
    add: (content: string) => write([...read(), { key: newKey(), content, refusal: null }]),
    remove: (key: string) => write(read().filter((waiting) => waiting.key !== key)),
    refuse: (key: string, refusal: Waiting["refusal"]) =>
      write(read().map((waiting) => (waiting.key === key ? { ...waiting, refusal } : waiting))),
  };
}
