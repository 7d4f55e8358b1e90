import { storage } from "../storage.ts";
import type { FrameError } from "./shapes.ts";

/** A message on its way. `refusal`: the server will not take it as it is. */
export type Waiting = {
  readonly key: string;
  readonly content: string;
  /** Grows with the order in which they were said. */
  readonly at: number;
  readonly refusal: { readonly code: FrameError; readonly message: string } | null;
};

const MAX_WAITING = 100;
const KEY_BYTES = 16;
const PLACE = "guildhall.outbox.";

const newKey = (): string => crypto.getRandomValues(new Uint8Array(KEY_BYTES)).toHex();

/**
 * What somebody has said in a room and the server has not stored yet. It outlives the page. Each message has a place
 * of its own, so that no tab writes over what another has added; since a key is stored once, both may send it.
 */
export function createOutbox(accountId: number, roomId: string) {
  const place = `${PLACE}${accountId}.${roomId}.`;
  let lastAt = 0;

  const read = (): readonly Waiting[] =>
    placesIn(place)
      .flatMap((found) => kept(found) ?? [])
      .sort((one, other) => one.at - other.at);

  const write = (message: Waiting): void => storage.write(`${place}${message.key}`, JSON.stringify(message));

  return {
    read,
    isOf: (changed: string | null) => changed === null || changed.startsWith(place),

    /** False when too much is waiting already. */
    add(content: string): boolean {
      if (placesIn(place).length >= MAX_WAITING) return false;
      lastAt = Math.max(Date.now(), lastAt + 1);
      write({ key: newKey(), content, at: lastAt, refusal: null });
      return true;
    },

    remove: (key: string) => storage.remove(`${place}${key}`),

    refuse(key: string, refusal: Waiting["refusal"]): void {
      const message = kept(`${place}${key}`);
      if (message !== null) write({ ...message, refusal });
    },

    clear: () => empty(place),
  };
}

/** Who signs out leaves nothing of what was said behind. */
export const forgetOutboxes = (): void => empty(PLACE);

const placesIn = (start: string): string[] => storage.keys().filter((place) => place.startsWith(start));

function empty(start: string): void {
  for (const place of placesIn(start)) storage.remove(place);
}

function kept(place: string): Waiting | null {
  try {
    return JSON.parse(storage.read(place) ?? "null") as Waiting | null;
  } catch {
    return null;
  }
}
