import type { Account } from "../../domain/accounts.ts";
import type { Core } from "../../domain/core.ts";
import { documentKey, type Task } from "../../domain/tasks.ts";

const LINK_TTL_SECONDS = 15 * 60;

/** Missing `avatar` is left out. `email` is "" where the viewer may not see it. */
export const profile = (account: Account, email: string) => ({
  id: account.uuid,
  username: account.username,
  ...(account.avatarUrl === null ? {} : { avatar: account.avatarUrl }),
  sex: account.sex ?? "",
  email,
});

/** A DONE task has a fresh link, good for 15 minutes. */
export async function task(core: Core, row: Task) {
  const { id, status } = row;
  if (status === "DONE") {
    return { id, status, document_url: await core.documents.link(documentKey(id), LINK_TTL_SECONDS) };
  }
  if (status === "FAILED") return { id, status, error: row.error ?? "The document could not be made." };
  return { id, status };
}
