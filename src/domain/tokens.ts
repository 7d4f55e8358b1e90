import { createSigner, createVerifier } from "fast-jwt";
import { LRUCache } from "lru-cache";
import type { Keys } from "./core.ts";
import { DomainError } from "./errors.ts";
import { isUuid } from "./ids.ts";

/** What a token is for; one purpose is never accepted for another. */
export type Purpose = "access" | "refresh" | "stats-refresh";

export type Claims = {
  /** The account's uuid. */
  readonly sub: string;
  /** The session's id: what revocation goes by. */
  readonly sid: string;
  readonly jti: string;
  readonly purpose: Purpose;
  /** Seconds since 1970. */
  readonly iat: number;
  /** Seconds since 1970. */
  readonly exp: number;
};

export interface Tokens {
  sign(claims: Omit<Claims, "iat" | "exp">, nowMs: number, ttlSeconds: number): string;
  /** Throws `tokenInvalid` or `tokenExpired`. Says nothing about the session: that is read from its row. */
  verify(token: string, purpose: Purpose, nowMs: number): Claims;
}

const ISSUER = "guildhall";
const MAX_TOKEN_CHARACTERS = 2_048;
// A verification costs 7 µs, a hit well under 1; 20,000 entries are about 20 MB.
const MAX_VERIFIED = 20_000;
const CLOCK_SKEW_SECONDS = 5;

/** HS256. The first secret signs, all of them verify. The cache keeps the signature's result only. */
export function createTokens(secrets: Keys): Tokens {
  const signer = createSigner({ key: Buffer.from(secrets[0]), algorithm: "HS256" });
  // The times are checked below, by the caller's clock, on cached results too.
  const verifiers = secrets.map((secret) =>
    createVerifier({ key: Buffer.from(secret), algorithms: ["HS256"], cache: false, ignoreExpiration: true }),
  );
  const verified = new LRUCache<string, Claims>({ max: MAX_VERIFIED });

  return {
    sign(claims, nowMs, ttlSeconds) {
      const iat = Math.floor(nowMs / 1000);
      return signer({ ...claims, iss: ISSUER, iat, exp: iat + ttlSeconds });
    },

    verify(token, purpose, nowMs) {
      let claims = verified.get(token);
      if (claims === undefined) {
        claims = readClaims(verifySignature(token, verifiers));
        verified.set(token, claims);
      }
      const now = nowMs / 1000;
      if (claims.iat > now + CLOCK_SKEW_SECONDS) throw invalid();
      if (claims.purpose !== purpose) throw invalid("This token is for something else.");
      if (claims.exp <= now) throw new DomainError("tokenExpired", "The token has expired.");
      return claims;
    },
  };
}

/** Three parts that could be a JWT; says nothing about its signature. */
export const looksLikeJwt = (text: string): boolean =>
  text.length <= MAX_TOKEN_CHARACTERS && /^[\w-]+\.[\w-]+\.[\w-]*$/.test(text);

type Verifier = (token: string) => unknown;

function verifySignature(token: string, verifiers: readonly Verifier[]): unknown {
  if (!looksLikeJwt(token)) throw invalid();
  let cause: unknown;
  for (const verify of verifiers) {
    try {
      return verify(token);
    } catch (error) {
      cause = error;
    }
  }
  throw invalid("The token is malformed or its signature is wrong.", cause);
}

function readClaims(payload: unknown): Claims {
  if (typeof payload !== "object" || payload === null) throw invalid();
  const { sub, sid, jti, purpose, iat, exp, iss } = payload as Record<string, unknown>;
  if (iss !== ISSUER || typeof sub !== "string" || typeof sid !== "string" || typeof jti !== "string") {
    throw invalid();
  }
  if (!isUuid(sub) || !isUuid(sid) || !Number.isSafeInteger(iat) || !Number.isSafeInteger(exp))
    throw invalid();
  if (purpose !== "access" && purpose !== "refresh" && purpose !== "stats-refresh") throw invalid();
  return { sub, sid, jti, purpose, iat: Number(iat), exp: Number(exp) };
}

const invalid = (message = "The token is malformed or its signature is wrong.", cause?: unknown) =>
  new DomainError("tokenInvalid", message, {}, { cause });
