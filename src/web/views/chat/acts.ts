import { call } from "../../api.ts";
import type { OneRoom, PersonOfRoom } from "../../chat/shapes.ts";
import type { Key } from "../../i18n.ts";
import { account, may } from "../../session.ts";

/** Something that can be done to somebody in a room. */
export type Act = {
  readonly name: Key;
  readonly method: "PUT" | "DELETE" | "POST";
  readonly place: "mutes" | "bans" | "kick" | "moderators" | "members";
  /** With an end and a reason. */
  readonly hasTerm?: true;
  /** People may do it to themselves. */
  readonly isForSelf?: true;
  /** Whether it would change anything. */
  readonly fits: (person: PersonOfRoom) => boolean;
};

const isGuest = ({ id }: PersonOfRoom) => id < 0;

export const ACTS: readonly Act[] = [
  { name: "mute", method: "PUT", place: "mutes", hasTerm: true, fits: ({ muted }) => muted === null },
  { name: "unmute", method: "DELETE", place: "mutes", fits: ({ muted }) => muted !== null },
  { name: "kick", method: "POST", place: "kick", hasTerm: true, fits: ({ banned }) => banned === null },
  { name: "ban", method: "PUT", place: "bans", hasTerm: true, fits: ({ banned }) => banned === null },
  { name: "unban", method: "DELETE", place: "bans", fits: ({ banned }) => banned !== null },
  {
    name: "makeModerator",
    method: "PUT",
    place: "moderators",
    fits: (person) => person.role === null && person.banned === null && !isGuest(person),
  },
  {
    name: "takeModerator",
    method: "DELETE",
    place: "moderators",
    isForSelf: true,
    fits: ({ role }) => role === "moderator",
  },
  {
    name: "letIn",
    method: "PUT",
    place: "members",
    fits: (person) => person.role === null && !person.member && !isGuest(person),
  },
  { name: "putOut", method: "DELETE", place: "members", isForSelf: true, fits: ({ member }) => member },
];

/** Whether somebody who is this in a room moderates it. */
export const moderates = (you: OneRoom["you"]): boolean =>
  you === "owner" || you === "moderator" || may("chat.moderate");

const RANKS = { owner: 2, moderator: 1, member: 0 } as const;
const RANK_OF_ALL = 3;

/** What fits somebody, as far as one can tell: that one may moderate all of chat only the server knows. */
export function actsUpon(person: PersonOfRoom, you: OneRoom["you"]): readonly Act[] {
  const own = may("chat.moderate") ? RANK_OF_ALL : RANKS[you ?? "member"];
  const isSelf = person.id === account.value?.person.id;
  const isAbove = own > RANKS[person.role ?? "member"];
  return ACTS.filter((act) => act.fits(person) && (isSelf ? act.isForSelf === true : isAbove));
}

export const actUpon = (roomId: string, userId: number, { method, place }: Act, body?: object) =>
  call(method, `/ws/rooms/${roomId}/${place}/${userId}`, body === undefined ? {} : { body });
