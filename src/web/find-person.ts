import { get } from "./api.ts";
import type { Person } from "./shapes.ts";

const WIDE_ZERO = 0xff10;

/**
 * Who has this username. Throws Failure: 404 when nobody has. The search takes digits as an id first; full-width
 * ones are no id, and the same username.
 */
export function findPerson(username: string): Promise<Person> {
  const name = /^\d+$/.test(username)
    ? username.replace(/\d/g, (digit) => String.fromCharCode(WIDE_ZERO + Number(digit)))
    : username;
  return get<Person>(`/info/users/search-${encodeURIComponent(name)}`);
}
