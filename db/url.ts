import { fileURLToPath } from "node:url";

export type Location =
  | { readonly kind: "local"; readonly path: string }
  | { readonly kind: "remote"; readonly url: string };

const MEMORY = ":memory:";

/** Where a database URL points. Throws a sentence for the operator; it never repeats what may hold a token. */
export function parseDatabaseUrl(url: string): Location {
  if (url === MEMORY || url === `file:${MEMORY}`) return { kind: "local", path: MEMORY };
  if (/^(libsql|https?):\/\//i.test(url)) {
    if (!URL.canParse(url) || new URL(url).hostname === "") throw invalid("it has no host");
    return { kind: "remote", url };
  }
  if (!/^file:/i.test(url)) throw invalid("it must begin with file:, libsql:, http: or https:");
  const rest = url.slice("file:".length);
  if (/[?#]/.test(rest)) throw invalid("a file has no options");
  return { kind: "local", path: filePath(url, rest) };
}

function filePath(url: string, rest: string): string {
  try {
    const path = rest.startsWith("//") ? fileURLToPath(url) : decodeURIComponent(rest);
    if (path === "" || path.endsWith("/") || path.includes("\0")) throw invalid("it names no file");
    return path;
  } catch (cause) {
    throw cause instanceof URIError || cause instanceof TypeError
      ? invalid("it names no file", cause)
      : cause;
  }
}

const invalid = (why: string, cause?: unknown): Error =>
  new Error(`The database's URL cannot be used: ${why}.`, cause === undefined ? undefined : { cause });
