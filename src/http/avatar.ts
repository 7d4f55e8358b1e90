import * as avatars from "../domain/avatars.ts";
import type { Core } from "../domain/core.ts";

// A replaced picture is gone from caches after a day; what is behind one address does not change.
const CACHE = "public, max-age=86400, immutable";
// The drawing may be improved with a new version of ours.
const DRAWN_CACHE = "public, max-age=86400";

/** Serves `/avatars/<name>`, wherever the pictures are stored. */
export async function serveAvatar(core: Core, path: string, request: Request): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return refusal(405, "METHOD_NOT_ALLOWED", "A picture can only be read.", { Allow: "GET, HEAD" });
  }
  const avatar = await avatars.find(core, path.slice("/avatars/".length));
  if (avatar === null) return notFound();
  const etag = `"${avatar.version}"`;
  const isDrawn = avatar.contentType === "image/svg+xml";
  const caching = { ETag: etag, "Cache-Control": isDrawn ? DRAWN_CACHE : CACHE };
  if (isKnown(request.headers.get("If-None-Match"), etag)) {
    return new Response(null, { status: 304, headers: caching });
  }
  const bytes = await avatar.read();
  if (bytes === null) return notFound();
  return new Response(bytes.slice().buffer, {
    headers: {
      ...caching,
      "Content-Type": avatar.contentType,
      // Opened by itself it may load and run nothing.
      "Content-Security-Policy": "default-src 'none'",
      "X-Content-Type-Options": "nosniff",
    },
  });
}

const isKnown = (ifNoneMatch: string | null, etag: string): boolean =>
  (ifNoneMatch ?? "").split(",").some((known) => ["*", etag].includes(known.trim().replace(/^W\//, "")));

const notFound = () => refusal(404, "NOT_FOUND", "There is no such picture.");

const refusal = (status: number, code: string, message: string, headers: Record<string, string> = {}) =>
  Response.json(
    { error: { code, message } },
    { status, headers: { "Cache-Control": "no-store", ...headers } },
  );
