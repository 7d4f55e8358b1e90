import { isIPv6 } from "node:net";

export type SmtpServer = {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte. */
  readonly secure: boolean;
  readonly requireTLS: boolean;
  readonly tls: { readonly rejectUnauthorized: boolean };
  readonly auth?: { readonly user: string; readonly pass: string };
  readonly forceAuth?: true;
};

const SWITCHES: ReadonlySet<string> = new Set(["requireTLS", "tls.rejectUnauthorized"]);

/**
 * `smtp[s]://[user:password@]host[:port]`, with `?requireTLS=true` to send nothing when the server offers no STARTTLS
 * and `?tls.rejectUnauthorized=false` to take any certificate. Messages of errors do not hold the URL.
 */
export function parseSmtpUrl(text: string): SmtpServer {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !["smtp:", "smtps:"].includes(url.protocol) || url.hostname === "") {
    throw new Error("The SMTP URL is not smtp://host or smtps://host.");
  }
  if (!["", "/"].includes(url.pathname)) throw new Error("The SMTP URL has a path; it is to have none.");
  const secure = url.protocol === "smtps:";
  for (const [name, value] of url.searchParams) {
    if (!SWITCHES.has(name) || !["true", "false"].includes(value)) {
      throw new Error(
        `The SMTP URL takes requireTLS and tls.rejectUnauthorized, true or false, not ${name}.`,
      );
    }
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return {
    host: isIPv6(host) ? host : decoded(host),
    port: url.port === "" ? (secure ? 465 : 587) : Number(url.port),
    secure,
    requireTLS: url.searchParams.get("requireTLS") === "true",
    tls: { rejectUnauthorized: url.searchParams.get("tls.rejectUnauthorized") !== "false" },
    // Forced, since a server that does not offer to sign in would be sent the mail all the same.
    ...(url.username === ""
      ? {}
      : { auth: { user: decoded(url.username), pass: decoded(url.password) }, forceAuth: true }),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error("The SMTP URL has a % that is not written as %25.");
  }
}
