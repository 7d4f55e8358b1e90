import type { Core } from "./core.ts";
import { DomainError } from "./errors.ts";
import type { LogEntry } from "./messages.ts";
import { actOf } from "./moderation.ts";
import type { Member, Place } from "./places.ts";
import type { Connection, Ending } from "./room-events.ts";
import type { Access, Person } from "./rooms.ts";
import * as rooms from "./rooms.ts";

/** Sees to it that what was decided about a room and its people holds for the sockets that are open. */
export interface RoomGuard {
  /** An act that was heard: on everybody who was there when it was done. */
  act(place: Place, entry: LogEntry): void;
  /** The same for one socket, which was welcomed while it was done. False when it was closed. */
  actOn(place: Place, member: Member, connection: Connection, entry: LogEntry): boolean;
  /** Reads anew what the room knows of a person. False when that person may not stay; the sockets are closed. */
  lookAgain(place: Place, member: Member): Promise<boolean>;
  /** Looks at everybody who is in only because they moderate all of chat. */
  checkPrivileged(places: readonly Place[]): Promise<void>;
  /** Looks at rooms as they are by now: acts may have been missed. */
  checkRooms(places: readonly Place[]): Promise<void>;
}

export function createRoomGuard(core: Core): RoomGuard {
  function act(place: Place, entry: LogEntry): void {
    const { action, id } = actOf(entry);
    const concerned = place.members.get(id);
    if (action === "room_deleted") {
      place.isClosing = true;
      closeBefore(place.members.values(), entry.id, "roomGone");
    } else if (action === "room_changed") void lookAtRoom(place);
    else if (concerned === undefined) return;
    else if (action === "kick" || action === "ban") closeBefore([concerned], entry.id, "removed");
    else void lookAgain(place, concerned);
  }

  function actOn(place: Place, member: Member, connection: Connection, entry: LogEntry): boolean {
    const { action, id } = actOf(entry);
    const isMeant = id === member.person.id;
    if (action === "room_deleted" || (isMeant && (action === "kick" || action === "ban"))) {
      connection.close(action === "room_deleted" ? "roomGone" : "removed");
      return false;
    }
    if (isMeant || action === "room_changed") void lookAgain(place, member);
    return true;
  }

  async function lookAgain(place: Place, member: Member): Promise<boolean> {
    member.looks += 1;
    const look = member.looks;
    try {
      const access = await rooms.lookAgain(core, place.room.id, member.person.id);
      // A later look is under way, and sees at least what this one has seen.
      if (look !== member.looks) return true;
      if (access === null) return close(member, "roomGone");
      member.access = access;
      place.room = access.room;
      return (await mayStay(access, member.person)) || close(member, "removed");
    } catch (error) {
      core.log.warn({ err: error }, "what was decided could not be read");
      // They are looked at anew when they come back.
      return close(member, "unavailable");
    }
  }

  /** The room itself has changed: what it knows of its people has not. */
  async function lookAtRoom(place: Place): Promise<void> {
    try {
      const found = await rooms.lookAgain(core, place.room.id, 0);
      const members = [...place.members.values()];
      if (found === null) {
        place.isClosing = true;
        for (const member of members) close(member, "roomGone");
        return;
      }
      place.room = found.room;
      for (const member of members) member.access = { ...member.access, room: found.room };
      if (!found.room.isPrivate) return;
      await Promise.all(members.filter(isIntruder).map((member) => lookAgain(place, member)));
    } catch (error) {
      core.log.warn({ err: error }, "a changed room could not be read");
      for (const member of [...place.members.values()]) close(member, "unavailable");
    }
  }

  const isIntruder = ({ access }: Member): boolean =>
    access.bannedUntil > core.clock() || !rooms.isLetIn(access);

  async function mayStay(access: Access, person: Person): Promise<boolean> {
    try {
      await rooms.requireEntry(core, access, person);
      return true;
    } catch (error) {
      if (error instanceof DomainError) return false;
      throw error;
    }
  }

  return {
    act,
    actOn,
    lookAgain,

    async checkPrivileged(places) {
      for (const place of places) {
        for (const member of [...place.members.values()]) {
          if (isIntruder(member)) await lookAgain(place, member);
        }
      }
    },

    async checkRooms(places) {
      for (const place of places) await lookAtRoom(place);
    },
  };
}

/** Whoever has come since then was let in by what held by then. */
function closeBefore(members: Iterable<Member>, entryId: number, ending: Ending): void {
  for (const { sockets } of [...members]) {
    for (const [connection, seenId] of [...sockets]) if (seenId < entryId) connection.close(ending);
  }
}

function close(member: Member, ending: Ending): false {
  for (const connection of [...member.sockets.keys()]) connection.close(ending);
  return false;
}
