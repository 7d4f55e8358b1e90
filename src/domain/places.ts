import { DomainError } from "./errors.ts";
import type { LogEntry } from "./messages.ts";
import type { Connection } from "./room-events.ts";
import type { Access, Person, Room } from "./rooms.ts";

/** A newcomer until it follows the room. */
export type Waiting = {
  /** The last entry that it was told; null while its history is read. */
  seenId: number | null;
  /** What was told meanwhile. */
  readonly kept: LogEntry[];
  /** Stored messages that it sent again, to be answered after the welcome. */
  readonly repeated: LogEntry[];
};

export type Member = {
  readonly person: Person;
  access: Access;
  /** Each with the last entry of its welcome: later ones are about it, earlier ones were before its time. */
  readonly sockets: Map<Connection, number>;
  typedAt: number;
  /** How often it was looked up what the room knows of the person: only the last look counts. */
  looks: number;
};

/** A room in which somebody is. */
export type Place = {
  room: Room;
  readonly members: Map<number, Member>;
  readonly waiting: Map<Connection, Waiting>;
  /** Everybody is put out: of a thousand, nobody need be told half a million times who leaves. */
  isClosing: boolean;
};

/** The sockets of this node, by room and person. */
export interface Places {
  get(roomId: number): Place | undefined;
  all(): Place[];
  /** Throws `tooManySockets` and `overloaded` when there is no room for another socket of this person. */
  requireFree(person: Person, room: Room): void;
  enter(connection: Connection, access: Access): { readonly place: Place; readonly member: Member };
  /** What ended with this socket: nothing, the person's presence in the room, or also the place. */
  leave(place: Place, member: Member, connection: Connection): "socket" | "member" | "place" | null;
}

/** Before its welcome nothing that was decided is about a socket: what holds is read for it. */
export const NOT_WELCOMED = Number.POSITIVE_INFINITY;

export const MAX_SOCKETS_PER_PERSON_AND_ROOM = 5;
export const MAX_ROOMS_PER_PERSON = 128;
// Some 7 KB each.
const MAX_SOCKETS = 50_000;

export function createPlaces(): Places {
  const places = new Map<number, Place>();
  const roomsOf = new Map<number, number>();
  let sockets = 0;

  function opened(room: Room): Place {
    const place: Place = { room, members: new Map(), waiting: new Map(), isClosing: false };
    places.set(room.id, place);
    return place;
  }

  function arrived(place: Place, person: Person, access: Access): Member {
    const member: Member = { person, access, sockets: new Map(), typedAt: 0, looks: 0 };
    place.members.set(person.id, member);
    roomsOf.set(person.id, (roomsOf.get(person.id) ?? 0) + 1);
    return member;
  }

  return {
    get: (roomId) => places.get(roomId),
    all: () => [...places.values()],

    requireFree(person, room) {
      const member = places.get(room.id)?.members.get(person.id);
      if ((member?.sockets.size ?? 0) >= MAX_SOCKETS_PER_PERSON_AND_ROOM) {
        throw tooMany(`You have ${MAX_SOCKETS_PER_PERSON_AND_ROOM} connections to this room already.`);
      }
      if (member === undefined && (roomsOf.get(person.id) ?? 0) >= MAX_ROOMS_PER_PERSON) {
        throw tooMany(`You are in ${MAX_ROOMS_PER_PERSON} rooms already.`);
      }
      if (sockets >= MAX_SOCKETS) throw new DomainError("overloaded", "Too many people are connected.");
    },

    enter(connection, access) {
      const place = places.get(access.room.id) ?? opened(access.room);
      const member = place.members.get(connection.person.id) ?? arrived(place, connection.person, access);
      member.sockets.set(connection, NOT_WELCOMED);
      sockets += 1;
      return { place, member };
    },

    leave(place, member, connection) {
      if (!member.sockets.delete(connection)) return null;
      sockets -= 1;
      place.waiting.delete(connection);
      if (member.sockets.size > 0) return "socket";
      const { id } = member.person;
      place.members.delete(id);
      const left = (roomsOf.get(id) ?? 1) - 1;
      if (left === 0) roomsOf.delete(id);
      else roomsOf.set(id, left);
      if (place.members.size > 0) return "member";
      places.delete(place.room.id);
      return "place";
    },
  };
}

const tooMany = (message: string) => new DomainError("tooManySockets", message);
