import { hkdfSync } from "node:crypto";
import type { Config } from "./config.ts";
import type { Secrets } from "./data-dir.ts";
import type { Keys } from "./domain/core.ts";

/** What tokens are signed with: the configured secret, else the generated one; then the previous one. */
export function jwtSecretsOf(config: Config, secrets: Secrets): Keys {
  const previous = config.jwtSecretPrevious === null ? [] : [config.jwtSecretPrevious];
  return [Buffer.from(config.jwtSecret ?? secrets.jwtSecret), ...previous.map((text) => Buffer.from(text))];
}

/** Keys of their own for each use, so that one secret is enough to configure; the previous one's still open. */
export function derivedKeys([current, ...others]: Keys, use: "waiting mails" | "document links"): Keys {
  const keyOf = (secret: Uint8Array) => new Uint8Array(hkdfSync("sha256", secret, "guildhall", use, 32));
  return [keyOf(current), ...others.map(keyOf)];
}
