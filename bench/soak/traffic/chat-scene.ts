import type { Follower, Told, Visitor } from "../../../test/support/chat-history.ts";
import type { Findings } from "../findings.ts";
import type { Writes } from "../writes.ts";

/** What was said and heard in one room. */
export type Scene = {
  readonly room: number | string;
  readonly followers: Follower[];
  readonly plain: Visitor[];
  /** What was said, with the visit in which it was sent for the first time; -1 where it was sent more than once. */
  readonly said: Map<string, number>;
  /** What was sent once and refused, so that it must not be there. */
  readonly refused: Set<string>;
  /** What REST answered, by content. */
  readonly answered: Map<string, Told>;
  /** Whether they were deleted, by id; of others nobody tried to. */
  readonly deleted: Map<number, Writes<boolean>>;
};

/** What the log of the database says of one room. */
export type StoredRoom = {
  readonly key: string;
  /** All messages by id, those that were removed without their content. */
  readonly messages: ReadonlyMap<number, { readonly content: string; readonly isRemoved: boolean }>;
};

export const newScene = (room: Scene["room"]): Scene => ({
  room,
  followers: [],
  plain: [],
  said: new Map(),
  refused: new Set(),
  answered: new Map(),
  deleted: new Map(),
});

const place = (scene: Scene, what: string) => `${what} in ${scene.room}`;

/** What everybody was told, beside the history as REST answers it. */
export function checkHistory(scene: Scene, history: readonly Told[], findings: Findings): void {
  const ids = history.map(({ id }) => id);
  if (
    !Bun.deepEquals(
      ids,
      [...new Set(ids)].sort((a, b) => a - b),
    )
  ) {
    findings.add("ids of messages are unique and grow", place(scene, "the history"));
  }
  const stored = new Map<string, number>();
  for (const { id, content } of history) {
    if (stored.has(content)) findings.add("a message is stored once", place(scene, content));
    stored.set(content, id);
    if (!scene.said.has(content)) findings.add("nothing is there that nobody wrote", place(scene, content));
    if (scene.deleted.get(id)?.possible().includes(false) === false) {
      findings.add("what was deleted is gone", place(scene, `${id} ${content}`));
    }
  }
  for (const content of scene.refused) {
    if (stored.has(content)) findings.add("what was refused is not stored", place(scene, content));
  }
  const contents = new Map(history.map(({ id, content }) => [id, content]));
  const mayBeGone = (id: number) => scene.deleted.get(id)?.possible().includes(true) === true;
  const expectStored = (who: string, id: number, content: string) => {
    const found = contents.get(id);
    if (found === content || (found === undefined && mayBeGone(id))) return;
    const instead = found === undefined ? "nothing" : `"${found}"`;
    findings.add(
      "whatever anybody was told is stored",
      place(scene, `${who}: ${id} "${content}", there is ${instead}`),
    );
  };
  for (const visitor of [...scene.followers, ...scene.plain]) {
    const who = visitor.user.username;
    for (const { id, content } of visitor.told.values()) expectStored(who, id, content);
    for (const flaw of visitor.flaws)
      findings.add("nobody hears a gap, a double or disorder", place(scene, `${who}: ${flaw}`));
  }
  for (const [content, { id }] of scene.answered) expectStored("the answer of REST", id, content);
  for (const follower of scene.followers) {
    const who = follower.user.username;
    for (const [content, id] of follower.answered) expectStored(`the answer to ${who}`, id, content);
    for (const id of ids) {
      if (!follower.told.has(id)) {
        findings.add("nobody hears a gap, a double or disorder", place(scene, `${who} never heard ${id}`));
      }
    }
  }
}

/** What everybody was told, beside the log with what was removed from it. */
export function compareWithLog(scene: Scene, { messages }: StoredRoom, findings: Findings): void {
  const ids = [...messages.keys()].sort((a, b) => a - b);
  for (const follower of scene.followers) {
    const notices = new Set(follower.notices);
    for (const id of follower.told.keys()) {
      if (messages.get(id)?.isRemoved === true && !notices.has(`deleted ${id}`)) {
        findings.add(
          "everybody hears what was deleted",
          place(scene, `${follower.user.username} did not hear of ${id}`),
        );
      }
    }
  }
  for (const { visits, user } of scene.plain) {
    for (const visit of visits) {
      const [told, first = 0, last = 0] = [new Set(visit), visit[0], visit.at(-1)];
      // Nothing is missing between the first and the last that one connection was told, but for what was removed
      // before its node had read it.
      const wanted = ids.filter(
        (id) => id >= first && id <= last && (told.has(id) || messages.get(id)?.isRemoved !== true),
      );
      if (!Bun.deepEquals(visit, wanted)) {
        findings.add("nobody hears a gap, a double or disorder", place(scene, `${user.username}, plain`));
      }
    }
  }
}
