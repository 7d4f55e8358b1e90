import type { Core } from "../domain/core.ts";

/** Serves a signed link of the file store: 403 for a wrong or expired signature, 404 for what is not there. */
export async function serveDocument(
  core: Core,
  verifyLink: (key: string, expires: string, signature: string, now: number) => boolean,
  path: string,
  query: URLSearchParams,
): Promise<Response> {
  const key = path.slice("/documents/".length);
  const expires = query.get("expires") ?? "";
  const signature = query.get("signature") ?? "";
  if (!verifyLink(key, expires, signature, core.clock())) {
    return refusal(403, "FORBIDDEN", "This link is wrong or has expired; ask for a new one.");
  }
  const bytes = await core.documents.get(key);
  if (bytes === null) return refusal(404, "NOT_FOUND", "There is no such document.");
  return new Response(bytes.slice().buffer, {
    headers: {
      "Content-Type": "application/pdf",
      "Content-Disposition": `inline; filename="${key}"`,
      "Cache-Control": "private, no-store",
      "X-Content-Type-Options": "nosniff",
    },
  });
}

const refusal = (status: number, code: string, message: string) =>
  Response.json({ error: { code, message } }, { status, headers: { "Cache-Control": "no-store" } });
