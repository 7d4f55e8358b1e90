import { effect, signal } from "@preact/signals";
import { call, Failure, get, sendOnce } from "./api.ts";
import type { Me, Person } from "./shapes.ts";
import { type Answer, forget, keep, tokens, whose } from "./tokens.ts";

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

/** This browser forgets at once; the server is told, also while the page is left, and whatever it says. */
export function signOut(): void {
  const ended = tokens.value;
  forget({ elsewhere: false });
  if (ended !== null) void endOnServer(ended).catch(() => {});
}

async function endOnServer({
  access,
  refresh,
}: {
  readonly access: string;
  readonly refresh: string;
}): Promise<void> {
  const logout = (token: string) => sendOnce("POST", "/api/auth/logout", { keepalive: true }, token);
  if ((await logout(access)).status !== 401) return;
  const body = { refresh_token: refresh };
  await logout((await call<Answer>("POST", "/api/auth/refresh", { body, anonymous: true })).access_token);
}

/** Reads who is signed in; call it after every change to the profile. */
export async function readAccount(): Promise<void> {
  accountFailure.value = null;
  const asked = whose(tokens.value?.access);
  const isOver = () => tokens.value === null || whose(tokens.value.access) !== asked;
  try {
    const [me, person] = await Promise.all([get<Me>("/api/users/me"), get<Person>("/account/me")]);
    if (!isOver()) account.value = { me, person };
  } catch (error) {
    if (!isOver()) accountFailure.value = error;
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
