import { createSigner } from "fast-jwt";
import { JWT_SECRET, type TestApp } from "./app.ts";

export type BadToken = { readonly name: string; readonly code: string; readonly token: string | undefined };

const DAY_SECONDS = 24 * 60 * 60;

/**
 * Every way in which a good access token can be bad, made from that one. `code` is the accounts API's word for it.
 * The last ones need an account each, since they end it.
 */
export async function badTokens(
  app: TestApp,
  good: string,
  spare: { readonly revoked: string; readonly deactivated: string },
): Promise<BadToken[]> {
  const [header = "", payload = "", signature = ""] = good.split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
  const { iat: _iat, exp: _exp, ...lasting } = claims;
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = (more: object) =>
    createSigner({ key: JWT_SECRET, algorithm: "HS256" })({ ...claims, ...more });
  const otherKey = createSigner({ key: Buffer.alloc(40, 1), algorithm: "HS256" });
  const otherAlgorithm = createSigner({ key: Buffer.alloc(64, 1), algorithm: "HS512" });
  return [
    { name: "no token", code: "UNAUTHORIZED", token: undefined },
    { name: "junk", code: "INVALID_TOKEN", token: "junk" },
    { name: "three junk parts", code: "INVALID_TOKEN", token: "a.b.c" },
    { name: "a very long one", code: "INVALID_TOKEN", token: `${"a".repeat(5_000)}.b.c` },
    { name: "alg none", code: "INVALID_TOKEN", token: `${encode({ alg: "none", typ: "JWT" })}.${payload}.` },
    {
      name: "alg none with the old signature",
      code: "INVALID_TOKEN",
      token: `${encode({ alg: "none", typ: "JWT" })}.${payload}.${signature}`,
    },
    { name: "another key", code: "INVALID_TOKEN", token: otherKey(claims) },
    { name: "another algorithm", code: "INVALID_TOKEN", token: otherAlgorithm(claims) },
    {
      name: "another payload under the signature",
      code: "INVALID_TOKEN",
      token: `${header}.${encode({ ...claims, sub: "01900000-0000-7000-8000-000000000000" })}.${signature}`,
    },
    { name: "no end", code: "INVALID_TOKEN", token: createSigner({ key: JWT_SECRET })(lasting) },
    { name: "another issuer", code: "INVALID_TOKEN", token: signed({ iss: "somebody else" }) },
    { name: "another purpose", code: "INVALID_TOKEN", token: signed({ purpose: "stats-refresh" }) },
    {
      name: "expired",
      code: "TOKEN_EXPIRED",
      token: signed({ iat: app.now / 1000 - 2 * DAY_SECONDS, exp: app.now / 1000 - DAY_SECONDS }),
    },
    { name: "an unknown session", code: "UNAUTHORIZED", token: signed({ sid: crypto.randomUUID() }) },
    { name: "somebody else's session", code: "UNAUTHORIZED", token: signed({ sub: crypto.randomUUID() }) },
    { name: "a revoked session", code: "UNAUTHORIZED", token: spare.revoked },
    { name: "a deactivated account", code: "UNAUTHORIZED", token: spare.deactivated },
  ];
}
