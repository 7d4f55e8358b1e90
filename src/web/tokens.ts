import { signal } from "@preact/signals";
import { storage } from "./storage.ts";

// Kept in localStorage: an HttpOnly cookie is only to be had for one hour and without a way to renew it, and a page
// that signs one out every hour is not used. What scripts could steal here, no foreign script is there to steal: the
// policy runs our own files alone, and all that people wrote is shown as text or sanitised.
const KEY = "guildhall.tokens";
const LOCK = "guildhall.refresh";
// The lock is all tabs': a server that is silent must not hold it.
const REFRESH_MS = 10_000;
const LOCK_MS = 15_000;
// Renewed when less than this is left of its 24 hours.
const RENEW_MS = 10 * 60_000;

type Tokens = { readonly access: string; readonly refresh: string; readonly expiresAt: number };
export type Answer = {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
};

export const tokens = signal<Tokens | null>(stored());
/** True after a session ended otherwise than by signing out here. */
export const endedElsewhere = signal(false);

function stored(): Tokens | null {
  try {
    const found: unknown = JSON.parse(storage.read(KEY) ?? "null");
    if (typeof found !== "object" || found === null) return null;
    const { access, refresh, expiresAt } = found as Record<string, unknown>;
    const isWhole =
      typeof access === "string" && typeof refresh === "string" && typeof expiresAt === "number";
    return isWhole ? { access, refresh, expiresAt } : null;
  } catch {
    return null;
  }
}

export function keep(answer: Answer): void {
  const expiresAt = Date.now() + answer.expires_in * 1_000;
  const next = { access: answer.access_token, refresh: answer.refresh_token, expiresAt };
  storage.write(KEY, JSON.stringify(next));
  endedElsewhere.value = false;
  tokens.value = next;
}

export function forget({ elsewhere }: { readonly elsewhere: boolean }): void {
  storage.remove(KEY);
  if (tokens.value !== null) endedElsewhere.value = elsewhere;
  tokens.value = null;
}

/** Who a token is for; its signature is the server's business. Null for no token. */
export function whose(token: string | null | undefined): string | null {
  if (token === null || token === undefined) return null;
  try {
    const payload: unknown = JSON.parse(
      atob((token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/")),
    );
    return String((payload as { readonly sub?: unknown }).sub);
  } catch {
    return token;
  }
}

/** Signing in and out in another tab counts here too. */
export function watchOtherTabs(): void {
  addEventListener("storage", (event) => {
    if (event.key !== null && event.key !== KEY) return;
    tokens.value = stored();
  });
}

/** A token to send, renewed where it is about to end; null when nobody is signed in. */
export async function accessToken(): Promise<string | null> {
  const now = tokens.value;
  if (now === null) return null;
  return now.expiresAt - Date.now() > RENEW_MS ? now.access : renew(now.access);
}

/**
 * A newer token than this one, by whichever tab comes first; null when the session has ended. Where another account
 * was signed in meanwhile, it is that one's.
 */
export async function renew(refused: string): Promise<string | null> {
  // Without the lock (there is none on plain http) two tabs may both renew: the server answers both the same.
  if (!("locks" in navigator)) return exchange(refused);
  const signal = AbortSignal.timeout(LOCK_MS);
  return navigator.locks.request(LOCK, { signal }, () => exchange(refused));
}

async function exchange(refused: string): Promise<string | null> {
  const latest = stored();
  if (latest === null) {
    forget({ elsewhere: true });
    return null;
  }
  if (latest.access !== refused) {
    tokens.value = latest;
    return latest.access;
  }
  const response = await fetch("/api/auth/refresh", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ refresh_token: latest.refresh }),
    signal: AbortSignal.timeout(REFRESH_MS),
  });
  const answer = response.ok ? ((await response.json()) as Answer) : null;
  const now = stored();
  if (now?.refresh !== latest.refresh) {
    // Signed out, renewed or signed in as somebody else while it was asked: what came meanwhile counts.
    tokens.value = now;
    return now?.access ?? null;
  }
  if (answer !== null) {
    keep(answer);
    return tokens.value?.access ?? null;
  }
  if ([400, 401, 403].includes(response.status)) {
    forget({ elsewhere: true });
    return null;
  }
  // The server is busy or away: the session may well live, so nothing is forgotten.
  return latest.expiresAt > Date.now() ? latest.access : null;
}
