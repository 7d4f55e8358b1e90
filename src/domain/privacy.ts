import type { Account } from "./accounts.ts";
import type { Core } from "./core.ts";
import * as permissions from "./permissions.ts";

// The documents of these APIs show the address of everybody who signed up through them.
const SHOWING_EMAIL: ReadonlySet<Account["origin"]> = new Set(["players", "cabinet", "stats"]);

/** Answers whose e-mail address and birthday this viewer sees; null is somebody who is not signed in. */
export async function contactsVisibleTo(
  core: Core,
  viewer: Account | null,
): Promise<(account: Account) => boolean> {
  const all = viewer !== null && (await permissions.isAllowed(core, viewer, "users.read"));
  return (account) =>
    all || account.id === viewer?.id || account.emailVisible || SHOWING_EMAIL.has(account.origin);
}
