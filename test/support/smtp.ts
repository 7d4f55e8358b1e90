import type { Readable } from "node:stream";
import { SMTPServer, type SMTPServerSession } from "smtp-server";

export type SmtpLogin = { readonly user: string; readonly password: string };

export type ParsedMail = {
  /** Unfolded, in order, names in lower case; encoded words are decoded. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly subject: string;
  readonly text: string;
  readonly html: string;
};

export type ReceivedMail = ParsedMail & {
  /** The envelope's. */
  readonly from: string;
  readonly to: readonly string[];
  readonly user: string | null;
  readonly secure: boolean;
};

/** A real SMTP server in this process, on a port of 127.0.0.1 that stays the same over stops and starts. */
export type TestSmtpServer = {
  readonly port: number;
  /** Without a login. */
  readonly url: string;
  /** What was received whole and answered for, or cut off before the answer; oldest first. */
  readonly mails: ReceivedMail[];
  /** How many there were so far. */
  readonly connections: number;
  /** The recipients named in RCPT TO, oldest first, refused ones too. */
  readonly asked: string[];
  /** Recipients that are answered 550, with the address in the answer as servers do it. */
  readonly refused: Set<string>;
  /** Recipients that are answered 451 so many times. */
  readonly deferred: Map<string, number>;
  /** The codes that the next senders are answered instead of 250. */
  readonly senderAnswers: number[];
  /** The codes that the next mails are answered after DATA instead of 250. */
  readonly answers: number[];
  /** What happens to the connections of the next mails. */
  readonly cuts: ("mid-data" | "before-answer")[];
  stop(): Promise<void>;
  start(): Promise<void>;
};

export type SmtpServerOptions = {
  readonly login?: SmtpLogin;
  /** With a certificate that nobody trusts. Default: none. */
  readonly tls?: "none" | "starttls" | "implicit";
};

export async function startSmtp({ login, tls = "none" }: SmtpServerOptions = {}): Promise<TestSmtpServer> {
  let port = 0;
  let connections = 0;
  let server: SMTPServer | undefined;

  const state = {
    mails: [] as ReceivedMail[],
    asked: [] as string[],
    refused: new Set<string>(),
    deferred: new Map<string, number>(),
    senderAnswers: [] as number[],
    answers: [] as number[],
    cuts: [] as TestSmtpServer["cuts"],
  };

  function cutOff(session: SMTPServerSession): void {
    for (const connection of server?.connections ?? []) {
      if (connection.session.id === session.id) connection._socket.destroy();
    }
  }

  async function receive(stream: Readable, session: SMTPServerSession): Promise<void> {
    const cut = state.cuts.shift();
    const chunks: Buffer[] = [];
    for await (const chunk of stream) {
      if (cut === "mid-data") return cutOff(session);
      chunks.push(chunk);
    }
    const code = cut === undefined ? state.answers.shift() : undefined;
    if (code !== undefined) throw answer(code, "The content is not welcome here.");
    const { mailFrom, rcptTo } = session.envelope;
    state.mails.push({
      ...parseMail(Buffer.concat(chunks)),
      from: mailFrom === false ? "" : mailFrom.address,
      to: rcptTo.map(({ address }) => address),
      user: typeof session.user === "string" ? session.user : null,
      secure: session.secure,
    });
    if (cut === "before-answer") cutOff(session);
  }

  function recipientAnswer(address: string): Error | null {
    state.asked.push(address);
    if (state.refused.has(address)) return answer(550, `5.1.1 <${address}>: there is nobody of that name`);
    const left = state.deferred.get(address) ?? 0;
    if (left === 0) return null;
    state.deferred.set(address, left - 1);
    return answer(451, `4.7.1 <${address}>: come back later`);
  }

  async function start(): Promise<void> {
    const opening = new SMTPServer({
      logger: false,
      disableReverseLookup: true,
      closeTimeout: 1,
      secure: tls === "implicit",
      authOptional: login === undefined,
      allowInsecureAuth: true,
      disabledCommands: [...(tls === "none" ? ["STARTTLS"] : []), ...(login === undefined ? ["AUTH"] : [])],
      onAuth: (given, _session, done) =>
        given.username === login?.user && given.password === login?.password
          ? done(null, { user: given.username })
          : done(answer(535, `5.7.8 ${given.username} may not sign in with ${given.password}`)),
      onConnect: (_session, done) => {
        connections += 1;
        done();
      },
      onMailFrom: (_address, _session, done) => {
        const code = state.senderAnswers.shift();
        done(code === undefined ? null : answer(code, "Nobody like you may send here."));
      },
      onRcptTo: ({ address }, _session, done) => done(recipientAnswer(address)),
      onData: (stream, session, done) => {
        receive(stream, session).then(() => done(), done);
      },
    });
    // Clients that leave in the middle are what is tested here.
    opening.on("error", () => {});
    await new Promise<void>((done) => {
      opening.listen(port, "127.0.0.1", () => done());
    });
    const address = opening.server.address();
    if (typeof address === "object" && address !== null) port = address.port;
    server = opening;
  }

  await start();
  return {
    ...state,
    get port() {
      return port;
    },
    get connections() {
      return connections;
    },
    get url() {
      return `${tls === "implicit" ? "smtps" : "smtp"}://127.0.0.1:${port}`;
    },
    start,
    async stop() {
      const closing = server;
      server = undefined;
      if (closing === undefined) return;
      for (const connection of closing.connections) connection._socket.destroy();
      await new Promise<void>((done) => closing.close(done));
    },
  };
}

const answer = (responseCode: number, message: string): Error =>
  Object.assign(new Error(message), { responseCode });

/** Reads a multipart/alternative of text and HTML; throws for what is none, and for a lone CR or LF. */
export function parseMail(bytes: Uint8Array): ParsedMail {
  const raw = Buffer.from(bytes).toString("latin1");
  if (/\r(?!\n)|(?<!\r)\n/.test(raw)) throw new Error("a line does not end with CR LF");
  const { headers, body } = splitPart(raw);
  const boundary = /boundary="([^"]+)"/.exec(headerOf(headers, "content-type"))?.[1];
  if (boundary === undefined) throw new Error("the mail has no parts");
  const parts = body
    .split(`--${boundary}`)
    .slice(1, -1)
    .map((part) => splitPart(part.replace(/^\r\n/, "")));
  const content = (type: string): string => {
    const part = parts.find(({ headers }) => headerOf(headers, "content-type").startsWith(type));
    if (part === undefined) throw new Error(`the mail has no part of type ${type}`);
    return decodeBody(part.body, headerOf(part.headers, "content-transfer-encoding"));
  };
  return {
    headers: headers.map(([name, value]) => [name, decodeWords(value)] as const),
    subject: decodeWords(headerOf(headers, "subject")),
    text: content("text/plain"),
    html: content("text/html"),
  };
}

type Header = readonly [name: string, value: string];

function splitPart(raw: string): { readonly headers: readonly Header[]; readonly body: string } {
  const end = raw.indexOf("\r\n\r\n");
  const lines = raw
    .slice(0, end)
    .replace(/\r\n[ \t]+/g, " ")
    .split("\r\n");
  const headers = lines.map((line): Header => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { headers, body: raw.slice(end + 4) };
}

const headerOf = (headers: readonly Header[], name: string): string =>
  headers.find((header) => header[0] === name)?.[1] ?? "";

function decodeBody(body: string, encoding: string): string {
  if (encoding === "base64") return Buffer.from(body, "base64").toString("utf8");
  if (encoding === "quoted-printable") return quotedPrintable(body.replace(/=\r\n/g, "")).toString("utf8");
  return Buffer.from(body, "latin1").toString("utf8");
}

const quotedPrintable = (text: string): Buffer =>
  Buffer.from(
    text.replace(/=([0-9A-F]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    "latin1",
  );

/** RFC 2047. */
function decodeWords(value: string): string {
  const utf8 = Buffer.from(value, "latin1").toString("utf8");
  return utf8
    .replace(/(\?=)\s+(=\?)/g, "$1$2")
    .replace(/=\?utf-8\?([BQ])\?([^?]*)\?=/gi, (_all, kind: string, text: string) =>
      (kind.toUpperCase() === "B"
        ? Buffer.from(text, "base64")
        : quotedPrintable(text.replaceAll("_", " "))
      ).toString("utf8"),
    );
}
