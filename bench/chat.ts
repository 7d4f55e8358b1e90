import type { Lab, Server } from "./lab.ts";

const REQUEST_TIMEOUT_MS = 10_000;

/** A server whose chat can be used without signing in, so that a thousand people need no thousand passwords. */
export async function chatServer(lab: Lab, dataDir: string): Promise<Server> {
  return lab.serve({ dataDir, args: ["--no-worker"], env: { CHAT_GUESTS: "on" } });
}

/** Makes rooms 1 to `count`. */
export async function newRooms(url: string, count: number): Promise<void> {
  for (let id = 1; id <= count; id++) {
    const answer = await fetch(`${url}/ws/create-room`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ id, name: `room ${id}` }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (answer.status !== 200) throw new Error(`no room was made: ${await answer.text()}`);
  }
}

export const joinPath = (roomId: number, person: number): string =>
  `/ws/join-room/${roomId}?username=guest${person}`;

/** What a message of this text looks like on the wire, in bytes: what the bare server is to publish. */
export const publishedBytes = (text: string): number =>
  JSON.stringify({
    content: text,
    roomId: 1,
    username: "guest123",
    id: 123_456,
    userId: -123_456_789_012_345,
    sentAt: "2026-01-01T00:00:00.000Z",
  }).length;
