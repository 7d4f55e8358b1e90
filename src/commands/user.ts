import type { Flags } from "../config.ts";
import * as accounts from "../domain/accounts.ts";
import { isStrong } from "../domain/credentials.ts";
import * as roles from "../domain/roles.ts";
import { CommandError } from "../run.ts";
import { readNewPassword } from "./password.ts";
import { withCore } from "./tool.ts";

export async function addUser(
  flags: Flags,
  { email, username, role }: { email: string; username?: string | undefined; role?: string | undefined },
): Promise<void> {
  if (!/^[^\s@]+@[^\s@]+$/.test(email)) throw new CommandError(`"${email}" is no e-mail address.`);
  const password = await readNewPassword();
  if (!isStrong(password)) throw new CommandError(roles.STRONG_PASSWORD_RULE);
  await withCore(flags, async ({ core }) => {
    if (role !== undefined) await roles.get(core, role);
    const account = await accounts.register(core, {
      username: username ?? null,
      email,
      password,
      origin: "shell",
    });
    if (role !== undefined) await roles.grant(core, account, role);
    process.stdout.write(
      `${account.username} <${account.email}> was added${role ? ` with the role ${role}` : ""}.\n`,
    );
  });
}

export async function listUsers(flags: Flags): Promise<void> {
  await withCore(flags, async ({ core }) => {
    for await (const page of accounts.stream(core, "all")) {
      for (const account of page) {
        const held = await roles.namesOf(core, account.id);
        const state =
          account.erasedAt !== null ? "erased" : account.deactivatedAt === null ? "active" : "deactivated";
        const fields = [account.id, account.username, account.email, state, held.join(",")];
        process.stdout.write(`${fields.join("\t")}\n`);
      }
    }
  });
}

export async function changeRole(
  flags: Flags,
  verb: "grant" | "revoke",
  email: string,
  role: string,
): Promise<void> {
  await withCore(flags, async ({ core }) => {
    const account = await accounts.getByEmail(core, email);
    await (verb === "grant" ? roles.grant : roles.revoke)(core, account, role);
    const done = verb === "grant" ? "has" : "no longer has";
    process.stdout.write(`${account.username} ${done} the role ${role}.\n`);
  });
}

export async function disableUser(flags: Flags, email: string): Promise<void> {
  await withCore(flags, async ({ core }) => {
    const account = await accounts.getByEmail(core, email);
    await accounts.deactivate(core, null, account.id);
    process.stdout.write(`${account.username} is deactivated and signed out everywhere.\n`);
  });
}
