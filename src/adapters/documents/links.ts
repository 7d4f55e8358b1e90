import { createHmac, timingSafeEqual } from "node:crypto";
import type { Keys } from "../../domain/core.ts";
import { isDocumentKey } from "./keys.ts";

const EXPIRES = /^[0-9]{1,12}$/;

/** base64url HMAC-SHA256 over the key and the end of its validity in epoch seconds. */
export function signature(signingKey: Uint8Array, key: string, expires: string): string {
  return digest(signingKey, key, expires).toString("base64url");
}

/** True when `given` was made by `signature` with one of these keys and `now` (milliseconds) is before `expires` (epoch seconds). */
export function isValidSignature(
  signingKeys: Keys,
  key: string,
  expires: string,
  given: string,
  now: number,
): boolean {
  if (!isDocumentKey(key) || !EXPIRES.test(expires)) return false;
  const offered = Buffer.from(given);
  const signed = signingKeys.some((signingKey) => {
    const wanted = Buffer.from(signature(signingKey, key, expires));
    return offered.length === wanted.length && timingSafeEqual(offered, wanted);
  });
  return signed && now < Number(expires) * 1000;
}

// The first line keeps these apart from anything else that is ever signed with the same secret.
function digest(signingKey: Uint8Array, key: string, expires: string): Buffer {
  return createHmac("sha256", signingKey).update(`guildhall document link\n${key}\n${expires}`).digest();
}
