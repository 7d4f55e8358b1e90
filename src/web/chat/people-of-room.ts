import { get } from "../api.ts";
import type { ChatUser, PersonOfRoom } from "./shapes.ts";

const MAX_PAGE = 300;

export const STANDINGS = ["banned", "muted", "moderator", "member"] as const;
export type Standing = (typeof STANDINGS)[number];

type Wanted = { readonly standing: Standing | null; readonly most: number };

/** The first ones of whom a room knows something, for who moderates it. Throws Failure. */
export async function readPeopleOfRoom(
  roomId: string,
  { standing, most }: Wanted,
  signal: AbortSignal,
): Promise<{ readonly people: readonly PersonOfRoom[]; readonly hasMore: boolean }> {
  const people: PersonOfRoom[] = [];
  // One more than is wanted tells whether there are more.
  for (;;) {
    const limit = Math.min(MAX_PAGE, most + 1 - people.length);
    const last = people.at(-1);
    const query = new URLSearchParams({
      limit: String(limit),
      ...(standing === null ? {} : { standing }),
      ...(last === undefined ? {} : { after: String(last.id) }),
    });
    const page = await readPage(roomId, query, signal);
    people.push(...page);
    if (page.length < limit) return { people, hasMore: false };
    if (people.length > most) return { people: people.slice(0, most), hasMore: true };
  }
}

/** What the room knows of one person, who may be nothing in it. */
export async function readPersonOfRoom(
  roomId: string,
  { id, username }: ChatUser,
  signal: AbortSignal,
): Promise<PersonOfRoom> {
  const query = new URLSearchParams({ after: String(id - 1), limit: "1" });
  const [found] = await readPage(roomId, query, signal);
  if (found?.id === id) return found;
  return { id, username, role: null, member: false, muted: null, banned: null };
}

const readPage = async (roomId: string, query: URLSearchParams, signal: AbortSignal) =>
  (await get<{ people: PersonOfRoom[] }>(`/ws/rooms/${roomId}/people?${query}`, signal)).people;
