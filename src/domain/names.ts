import { DomainError } from "./errors.ts";

const MAX_USERNAME_CHARACTERS = 64;

// Control characters, lone surrogates, line and paragraph separators, bidirectional overrides and isolates (they
// make one name look like another), and what separates names in paths, lists and e-mail addresses.
const FORBIDDEN = /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069,/@]/u;
const SOMETHING_VISIBLE = /[\p{L}\p{N}\p{P}\p{S}]/u;

// One round is not enough: folding can make a form that normalises to something else (J\u030c, final sigma, \u00df).
const FOLDING_ROUNDS = 3;

/** What makes two usernames the same: compatibility forms and case do not count. */
export function usernameKey(username: string): string {
  let key = username;
  for (let round = 0; round < FOLDING_ROUNDS; round++) {
    key = key.normalize("NFKC").toUpperCase().toLowerCase();
  }
  return key.normalize("NFKC");
}

export const emailKey = (email: string): string => email.trim().toLowerCase();

/** The username as it is stored (NFC, trimmed). Throws `usernameInvalid`. */
export function cleanUsername(raw: string): string {
  const username = raw.normalize("NFC").trim();
  const length = [...username].length;
  if (length < 1 || length > MAX_USERNAME_CHARACTERS || FORBIDDEN.test(username)) {
    throw invalid();
  }
  // The key can be forbidden where the name is not: a full-width "＠" becomes "@".
  if (!SOMETHING_VISIBLE.test(username) || FORBIDDEN.test(usernameKey(username))) throw invalid();
  return username;
}

const invalid = () =>
  new DomainError(
    "usernameInvalid",
    `A username has 1 to ${MAX_USERNAME_CHARACTERS} characters and no control character, comma, slash or @.`,
    { field: "username" },
  );

/** What a guest is called who chose no name. */
export const guestName = (id: number): string => `guest${-id}`;

const MAX_STEM_CHARACTERS = 48;

/** A username from the part before the @; the tries after the first add some random digits. */
export function usernameFromEmail(email: string, tried: number): string {
  const [local = ""] = email.normalize("NFC").split("@");
  const stem = [...local]
    .filter((character) => !FORBIDDEN.test(character) && !FORBIDDEN.test(usernameKey(character)))
    .slice(0, MAX_STEM_CHARACTERS)
    .join("")
    .trim();
  const base = cleanOr(stem, "member");
  return tried === 0
    ? base
    : `${base}-${1000 + Math.floor(Math.random() * 9_000 * 10 ** Math.min(tried, 5))}`;
}

/** What is left of an address can still be no name: signs that were apart before join to others. */
function cleanOr(stem: string, otherwise: string): string {
  try {
    return cleanUsername(stem);
  } catch {
    return otherwise;
  }
}

/** First and last name from a full one and the other way round, where only one of them was given. */
export function completeNames(given: {
  readonly fullName?: string | null;
  readonly firstName?: string | null;
  readonly lastName?: string | null;
}): { fullName: string | null; firstName: string | null; lastName: string | null } {
  const { fullName = null, firstName = null, lastName = null } = given;
  if (fullName !== null && firstName === null && lastName === null) {
    const [first = "", ...rest] = fullName.trim().split(/\s+/);
    return { fullName, firstName: first || null, lastName: rest.join(" ") || null };
  }
  if (fullName === null && (firstName !== null || lastName !== null)) {
    return { fullName: [firstName, lastName].filter(Boolean).join(" "), firstName, lastName };
  }
  return { fullName, firstName, lastName };
}

type Names = {
  readonly fullName: string | null;
  readonly firstName: string | null;
  readonly lastName: string | null;
};

/** A new full name changes its parts, new parts change the full name, where only one kind was given. */
export function changedNames(before: Names, given: Partial<Names>): Partial<Names> {
  const partsGiven = given.firstName !== undefined || given.lastName !== undefined;
  if (given.fullName !== undefined) return partsGiven ? {} : completeNames({ fullName: given.fullName });
  if (!partsGiven) return {};
  const { firstName = before.firstName, lastName = before.lastName } = given;
  return completeNames({ firstName, lastName });
}
