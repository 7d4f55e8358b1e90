import type { Account, Profile } from "../../domain/accounts.ts";
import { RequestError } from "../../http/failures.ts";
import { EDITED, type InfoChanges, type InfoFields } from "./contract.ts";
import { info } from "./wire.ts";

/**
 * What the editor's form changes. A field that says what is stored is no change and passes whatever it is: another
 * API may have made it by other rules. Throws `invalidInput`.
 */
export function changesOf(account: Account, sent: InfoChanges, now: number): Profile {
  const current = info(account);
  const changed = (field: keyof InfoFields): string | undefined => {
    const value = sent[field];
    return value === undefined || value === current[field] ? undefined : valid(field, value);
  };
  const [firstName, lastName] = [changed("first_name"), changed("last_name")];
  const [patronymic, birthday] = [changed("patronymic"), changed("birthday")];
  const [description, backgroundColor] = [changed("description"), changed("background_color")];
  // Dates of this form are in the order of their letters.
  if (birthday !== undefined && birthday > new Date(now).toISOString().slice(0, 10)) {
    throw invalid("birthday", "must not be in the future");
  }
  return {
    ...(firstName === undefined ? {} : { firstName }),
    ...(lastName === undefined ? {} : { lastName }),
    ...(patronymic === undefined ? {} : { patronymic: patronymic || null }),
    ...(birthday === undefined ? {} : { birthday: birthday || null }),
    ...(description === undefined ? {} : { description }),
    ...(backgroundColor === undefined ? {} : { backgroundColor }),
  };
}

function valid(field: keyof InfoFields, value: string): string {
  const result = EDITED[field].safeParse(value);
  if (result.success) return result.data;
  throw invalid(field, result.error.issues[0]?.message ?? "");
}

const invalid = (field: string, message: string) =>
  new RequestError("invalidInput", `${field}: ${message}`, { issue: { field, message, missing: false } });
