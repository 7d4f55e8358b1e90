import { z } from "zod";
import type { News } from "../../domain/core.ts";
import { MAX_WAITING } from "./outbox.ts";

// Names of 64 characters, each up to 4 bytes or an escape of 6, beside two numbers and the keys.
const MAX_ITEM_BYTES = 512;
const MAX_BYTES = (MAX_WAITING + 3) * MAX_ITEM_BYTES;
const MAX_NAME_LENGTH = 256;

const id = z.int();
const newsSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("messages") }),
  z.object({ kind: z.literal("sessions") }),
  z.object({ kind: z.literal("missed") }),
  z.object({ kind: z.literal("presence"), roomId: id }),
  z.object({
    kind: z.literal("typing"),
    roomId: id,
    userId: id,
    username: z.string().min(1).max(MAX_NAME_LENGTH),
  }),
]);

export const encode = (news: readonly News[]): Buffer => Buffer.from(JSON.stringify(news));

/** What of a message is news to this version, and how many things are none. A message that is no list is one such. */
export function decode(content: Buffer): { readonly news: readonly News[]; readonly ignored: number } {
  const items = listIn(content);
  if (items === null) return { news: [], ignored: 1 };
  const news = items.flatMap((item) => newsSchema.safeParse(item).data ?? []);
  return { news, ignored: items.length - news.length };
}

function listIn(content: Buffer): unknown[] | null {
  if (content.length > MAX_BYTES) return null;
  try {
    const value: unknown = JSON.parse(content.toString("utf8"));
    return Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
