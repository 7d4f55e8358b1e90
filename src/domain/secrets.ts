import { createHash, randomBytes } from "node:crypto";

// 256 bits: nothing to guess.
const SECRET_BYTES = 32;

/** A secret to be mailed, and the SHA-256 (hex) that is stored of it. */
export function create(): { readonly token: string; readonly hash: string } {
  const token = randomBytes(SECRET_BYTES).toString("base64url");
  return { token, hash: hashOf(token) };
}

export const hashOf = (token: string): string => createHash("sha256").update(token).digest("hex");
