import { DatabaseError } from "./errors.ts";

// The connection was never made, so nothing was sent.
const NEVER_SENT = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EPROTO",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);
const MAX_EXCERPT_CHARACTERS = 300;

/**
 * A fetch that is over, body included, after `timeoutMs`: the libSQL client has no time limit. Throws
 * DatabaseError `unavailable` when the server cannot have run anything, else `unknownOutcome`.
 */
export function boundedFetch(timeoutMs: number) {
  return async function fetchWhole(request: Request): Promise<Response> {
    const { status, headers, body } = await received(request, timeoutMs);
    if (status < 400) return new Response(body, { status, headers });
    const cause = new Error(
      `HTTP ${status}: ${new TextDecoder().decode(body).slice(0, MAX_EXCERPT_CHARACTERS)}`,
    );
    if (status === 401 || status === 403) {
      throw new DatabaseError("unavailable", "The database server refused the token.", { cause });
    }
    const kind = status < 500 ? "unavailable" : "unknownOutcome";
    throw new DatabaseError(kind, `The database server answered HTTP ${status}.`, { cause });
  };
}

async function received(request: Request, timeoutMs: number) {
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(timeoutMs) });
    return { status: response.status, headers: response.headers, body: await response.arrayBuffer() };
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    const kind = NEVER_SENT.has(code) ? "unavailable" : "unknownOutcome";
    throw new DatabaseError(kind, "The database server could not be reached, or did not answer in time.", {
      cause,
    });
  }
}
