import * as accounts from "../../src/domain/accounts.ts";
import { DomainError } from "../../src/domain/errors.ts";
import * as roles from "../../src/domain/roles.ts";
import type { TestApp } from "./app.ts";

/** Gives a role to the account of this name, which is made (password "Secret-123") where there is none. */
export async function grantRole(
  app: TestApp,
  username: string,
  role: string,
  { origin = "shell" }: { readonly origin?: accounts.Account["origin"] } = {},
): Promise<void> {
  const account = await accounts.getActiveByUsername(app.core, username).catch((error: unknown) => {
    if (!(error instanceof DomainError)) throw error;
    const email = `${username}@example.org`;
    return accounts.register(app.core, { username, email, password: "Secret-123", origin });
  });
  await roles.grant(app.core, account, role);
}
