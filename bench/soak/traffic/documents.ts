import type { Player } from "./players.ts";
import { again, oneOf, type Traffic, type World } from "./traffic.ts";

const ASKING = 2;
const PAUSE_MS = 350;
const LOOK_MS = 40;
// How long one is followed; what takes longer is looked at when all is over.
const PATIENCE_MS = 10_000;

/** Asks for documents about the players, and looks at some of them when they are done. */
export function documents(
  world: World,
  players: readonly Player[],
): Traffic & { readonly accepted: ReadonlySet<string>; unknown(): number } {
  const { caller, findings, random } = world;
  const accepted = new Set<string>();
  const askedFor = new Set<Player>();
  const counts = { accepted: 0, unknown: 0, downloaded: 0, ofPlayers: 0 };

  async function ask(): Promise<void> {
    const player = oneOf(random, players);
    if (player === undefined) return;
    if (random() < 0.15) return askForPlayer(player);
    const { username, token } = player;
    const result = await caller.call(username, "POST", `/api/stats/${username}`, { token, expected: [200] });
    if (result.kind === "unknown") {
      counts.unknown += 1;
      return;
    }
    const { id } = result.body.result;
    if (accepted.has(id)) findings.add("every task has an id of its own", id);
    accepted.add(id);
    counts.accepted += 1;
    if (random() < 0.4) await follow(player, id);
  }

  async function askForPlayer(player: Player): Promise<void> {
    const { id, username, token } = player;
    const result = await caller.call(username, "POST", `/users/${id}/pdf`, { token, expected: [200] });
    counts.ofPlayers += 1;
    if (result.kind === "answered") askedFor.add(player);
  }

  async function follow({ username, token }: Player, id: string): Promise<void> {
    const givesUpAt = performance.now() + PATIENCE_MS;
    while (performance.now() < givesUpAt && !world.isOver()) {
      await Bun.sleep(LOOK_MS);
      const task = await caller.call(username, "GET", `/api/stats/tasks/${id}`, { token, expected: [200] });
      if (task.kind === "unknown" || task.body.result.status !== "DONE") continue;
      const document = await caller.download(task.body.result.document_url);
      // The store, or the node that the link leads to, may be down.
      if (document === null || document.status >= 500) return;
      counts.downloaded += 1;
      if (document.status !== 200 || Buffer.from(document.bytes.slice(0, 5)).toString() !== "%PDF-") {
        findings.add("a task that is DONE has its document", `${id}: ${document.status} while it went on`);
      }
      return;
    }
  }

  return {
    accepted,
    unknown: () => counts.unknown,
    run: async () => {
      await Promise.all(Array.from({ length: ASKING }, () => again(world, PAUSE_MS, ask)));
    },
    async check() {
      for (const { id, username, token } of askedFor) {
        const { status, headers } = await caller.insist(username, "GET", `/users/${id}/pdf`, {
          token,
          expected: [200],
        });
        if (status !== 200 || headers.get("Content-Type") !== "application/pdf") {
          findings.add("a player's document is there", `${username}: ${status}`);
        }
      }
    },
    figures: () => counts,
  };
}
