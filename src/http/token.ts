import { getCookie } from "hono/cookie";
import type { Core } from "../domain/core.ts";
import * as sessions from "../domain/sessions.ts";
import { looksLikeJwt, type Purpose } from "../domain/tokens.ts";
import type { ApiContext } from "./context.ts";
import type { Origins } from "./origins.ts";

export const TOKEN_COOKIE = "jwt";

/** `Authorization: Bearer <token>`, a bare `Authorization: <token>`, or the cookie; null where there is none. */
export function findToken(
  c: ApiContext,
): { readonly token: string; readonly from: "header" | "cookie" } | null {
  const header = c.req.header("Authorization")?.trim();
  if (header) {
    const token = /^bearer(\s|$)/i.test(header) ? header.slice(6).trim() : header;
    return token === "" ? null : { token, from: "header" };
  }
  // Looked for first: parsing the header costs more than finding that there is none.
  if (c.req.header("Cookie") === undefined) return null;
  const cookie = getCookie(c, TOKEN_COOKIE);
  return cookie ? { token: cookie, from: "cookie" } : null;
}

/**
 * Whose request this is; throws as sessions.authenticate does. A change that is signed by the cookie must come
 * from a page of ours, since browsers send the cookie along whoever asks.
 */
export async function authenticated(
  core: Core,
  origins: Origins,
  c: ApiContext,
  purpose: Purpose = "access",
): Promise<sessions.Authenticated> {
  const found = findToken(c);
  if (found?.from === "cookie" && c.req.method !== "GET" && c.req.method !== "HEAD") {
    origins.requireOwn(c.req.raw.headers);
  }
  return sessions.authenticate(core, found?.token ?? null, purpose);
}

/** The account of a well-signed access token, for counting alone: whether its session lives is not looked up. */
export function subjectOf(core: Core, headers: Headers): string | null {
  const header = headers.get("Authorization")?.trim() ?? "";
  const cookie = headers.get("Cookie") ?? "";
  const token = header.replace(/^bearer\s+/i, "") || (/(?:^|;\s*)jwt=([^;\s]+)/.exec(cookie)?.[1] ?? "");
  if (!looksLikeJwt(token)) return null;
  try {
    return core.tokens.verify(token, "access", core.clock()).sub;
  } catch {
    return null;
  }
}

export const clientOf = (c: ApiContext): sessions.Client => ({
  address: c.env.address(),
  userAgent: c.req.header("User-Agent") ?? null,
  browser: c.req.header("browser") ?? null,
});
