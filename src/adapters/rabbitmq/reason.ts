const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refuses the connection",
  ENOTFOUND: "is an unknown host name",
  EAI_AGAIN: "is a host name that cannot be looked up now",
  EHOSTUNREACH: "is unreachable",
  ENETUNREACH: "is unreachable",
  ECONNRESET: "reset the connection",
  EPIPE: "reset the connection",
};

/** One sentence on why the broker at `url` is not there, without the password. */
export function reasonOf(error: unknown, url: string): string {
  const { host, username, password } = new URL(url);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const network = NETWORK[code];
  if (network !== undefined) return `${host} ${network}`;
  const message = error instanceof Error ? error.message : String(error);
  if (message.includes("ETIMEDOUT")) return `${host} does not answer`;
  if (message.includes("ACCESS_REFUSED") || message.includes("ACCESS-REFUSED")) {
    return `${host} refuses the name or password of user ${decoded(username) || "guest"}`;
  }
  return redact(message, password);
}

function redact(message: string, password: string): string {
  if (password === "") return message;
  return message.replaceAll(password, "***").replaceAll(decoded(password), "***");
}

/** A lone percent sign is no escape, and some passwords have one. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
