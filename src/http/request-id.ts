const PRINTABLE = /^[\x21-\x7e]{1,128}$/;

/** The client's own X-Request-ID if it is 1 to 128 printable characters, else a new one. */
export function requestId(headers: Headers): string {
  const given = headers.get("X-Request-ID");
  return given !== null && PRINTABLE.test(given) ? given : crypto.randomUUID();
}
