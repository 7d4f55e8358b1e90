import { MailRefusedError } from "../../domain/mails.ts";

/** What nodemailer adds to an error, as far as it is used here. */
type Failure = {
  readonly message: string;
  readonly code?: string;
  readonly command?: string;
  readonly response?: string;
  readonly responseCode?: number;
  readonly permanent?: boolean;
};

// 5xx by its number, but about us and not about the mail: whoever runs the server can mend it.
const SIGN_IN_CODES: ReadonlySet<number> = new Set([530, 534, 535, 538]);

const SUBJECTS: Readonly<Record<string, string>> = {
  "MAIL FROM": "the sender",
  "RCPT TO": "the recipient",
  DATA: "the mail",
};

/**
 * MailRefusedError when the server refused the recipient or the mail for good, else an Error: to be tried again.
 * What the server wrote is left out but for its codes, since it may repeat an address or the mail.
 */
export function asMailFailure(error: unknown, server: string): Error {
  const failure: Failure = error instanceof Error ? error : new Error(String(error));
  const { code, command = "", responseCode } = failure;
  const name = `The mail server ${server}`;
  if (responseCode !== undefined && code !== "ETLS") {
    const codes = answered(responseCode, failure.response);
    if (code === "EAUTH" || SIGN_IN_CODES.has(responseCode)) {
      return new Error(`${name} refused to let us sign in (${codes}).`);
    }
    const refused = SUBJECTS[command];
    if (refused === undefined) return new Error(`${name} answered ${codes}.`);
    const message = `${name} did not take ${refused} (${codes}).`;
    const forGood = failure.permanent === true && command !== "MAIL FROM";
    return forGood ? new MailRefusedError(message) : new Error(message);
  }
  switch (code) {
    case "ETIMEDOUT":
    case "EABORT":
      return new Error(`${name} did not answer in time.`);
    case "EDNS":
      return new Error(`${name} was not found by its name.`);
    case "EAUTH":
    case "ENOAUTH":
      return new Error(`${name} offers no way to sign in that we know.`);
    case "ETLS":
    case "ESOCKET":
    case "ECONNECTION":
      return new Error(`${name} could not be connected to: ${failure.message}`);
    default:
      return new Error(`${name} could not be given the mail (${code ?? "no reason given"}).`);
  }
}

/** Such as `550 5.1.1`: the reply's code and, where it has one, the enhanced status (RFC 3463). */
function answered(responseCode: number, response = ""): string {
  const enhanced = /^\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b/.exec(response)?.[1];
  return enhanced === undefined ? String(responseCode) : `${responseCode} ${enhanced}`;
}
