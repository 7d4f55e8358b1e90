import { effect, signal } from "@preact/signals";
import { call, Failure, get } from "./api.ts";
import type { Me, Person } from "./shapes.ts";
import { forget, keep, tokens } from "./tokens.ts";

export type Account = { readonly me: Me; readonly person: Person };

const CHECK_MS = 10_000;

/** Undefined while it is not known yet; null when nobody is signed in. */
export const account = signal<Account | null | undefined>(tokens.value === null ? null : undefined);
/** Why the account could not be read though somebody is signed in. */
export const accountFailure = signal<unknown>(null);

export const may = (permission: string): boolean =>
  account.value?.person.permissions.includes(permission) ?? false;

export async function signIn(nameOrEmail: string, password: string): Promise<void> {
  const by = nameOrEmail.includes("@") ? { email: nameOrEmail } : { username: nameOrEmail };
  keep(await call("POST", "/api/auth/login", { body: { ...by, password }, anonymous: true }));
}

export async function signOut(): Promise<void> {
  // Whatever the server says, this browser forgets.
  await call("POST", "/api/auth/logout").catch(() => {});
  forget({ elsewhere: false });
}

/** Reads who is signed in; call it after every change to the profile. */
export async function readAccount(): Promise<void> {
  accountFailure.value = null;
  try {
    const [me, person] = await Promise.all([get<Me>("/api/users/me"), get<Person>("/account/me")]);
    if (tokens.value !== null) account.value = { me, person };
  } catch (error) {
    if (tokens.value === null) return;
    accountFailure.value = error;
  }
}

/** What else is asked regularly, in place of the plain check. */
let check: () => Promise<unknown> = () => get("/api/users/me");
export const checkBy = (ask: () => Promise<unknown>): void => {
  check = ask;
};

/** Keeps `account` true: across tabs, and when the session is ended somewhere else. */
export function watchSession(): void {
  let known = whose(tokens.value?.access);
  effect(() => {
    const now = whose(tokens.value?.access);
    if (now === null) account.value = null;
    else if (now !== known) {
      account.value = undefined;
      void readAccount();
    }
    known = now;
  });
  async function look(): Promise<void> {
    if (tokens.value === null || document.visibilityState === "hidden") return;
    if (account.value === undefined) return readAccount();
    // A session that has ended is found by its refused refresh; all else is not this function's business.
    await check().catch((error: unknown) => {
      if (!(error instanceof Failure)) throw error;
    });
  }
  setInterval(look, CHECK_MS);
  document.addEventListener("visibilitychange", look);
  if (tokens.value !== null) void readAccount();
}

/** Who a token is for; its signature is the server's business. */
function whose(token: string | undefined): string | null {
  if (token === undefined) return null;
  try {
    const payload: unknown = JSON.parse(
      atob((token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/")),
    );
    return String((payload as { readonly sub?: unknown }).sub);
  } catch {
    return token;
  }
}
