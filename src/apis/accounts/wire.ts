import type { Account } from "../../domain/accounts.ts";
import type { TokenPair } from "../../domain/refresh.ts";
import { ACCESS_TTL_SECONDS, type Session } from "../../domain/sessions.ts";
import { isoSeconds } from "../../http/dates.ts";

export const registered = (account: Account) => ({
  data: {
    id: account.uuid,
    email: account.email,
    full_name: account.fullName,
    created_at: isoSeconds(account.createdAt),
  },
  message: "User registered successfully" as const,
});

export const tokens = ({ accessToken, refreshToken }: TokenPair) => ({
  access_token: accessToken,
  refresh_token: refreshToken,
  token_type: "Bearer" as const,
  expires_in: ACCESS_TTL_SECONDS as 86_400,
});

/** Everybody has the role "user"; this API lists it. */
export const signedIn = (pair: TokenPair, account: Account, roles: readonly string[]) => ({
  ...tokens(pair),
  user: {
    id: account.uuid,
    email: account.email,
    full_name: account.fullName,
    roles: ["user", ...roles],
  },
});

export const session = (row: Session, currentId: string) => ({
  id: row.id,
  created_at: isoSeconds(row.createdAt),
  last_used_at: isoSeconds(row.lastUsedAt),
  address: row.address,
  user_agent: row.userAgent,
  browser: row.browser,
  current: row.id === currentId,
});

const profile = (account: Account) => ({
  id: account.uuid,
  email: account.email,
  full_name: account.fullName,
  avatar_url: account.avatarUrl,
  location: account.location,
  phone_number: account.phoneNumber,
  timezone: account.timezone,
  language: account.language,
  company: account.company,
});

const state = (account: Account) => ({
  is_active: account.deactivatedAt === null,
  email_verified: account.emailVerifiedAt !== null,
});

const times = (account: Account) => ({
  created_at: isoSeconds(account.createdAt),
  updated_at: isoSeconds(account.updatedAt),
});

export const me = (account: Account) => ({ ...profile(account), ...state(account), ...times(account) });

export const user = (account: Account) => ({
  ...profile(account),
  ...state(account),
  last_login_at: account.lastLoginAt === null ? null : isoSeconds(account.lastLoginAt),
  login_count: account.loginCount,
  ...times(account),
});

export const changedUser = (account: Account) => ({
  ...profile(account),
  updated_at: isoSeconds(account.updatedAt),
});

export const listedUser = (account: Account) => ({
  id: account.uuid,
  email: account.email,
  full_name: account.fullName,
  is_active: account.deactivatedAt === null,
  created_at: isoSeconds(account.createdAt),
});
