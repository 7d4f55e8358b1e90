import { type ChatUser, type Frame, joinPath, openSocket, V1 } from "./chat.ts";
import type { RunningServer } from "./server.ts";

/** As it came, without what is no part of a message of the history. */
export type Told = {
  readonly id: number;
  readonly userId: number;
  readonly content: string;
  readonly key?: string;
};

/** Somebody in a room who comes back whenever the connection is lost. */
export type Visitor = {
  readonly user: ChatUser;
  /** The ids of what was told, by connection: each list in the order in which they came. */
  readonly visits: readonly (readonly number[])[];
  /** What was told, by its id. */
  readonly told: ReadonlyMap<number, Told>;
  /** Of others and of itself: `joined 3`, `left 3`, `typing 3`, `deleted 7`. Empty for a plain one. */
  readonly notices: readonly string[];
  /** What should not have come, in words. */
  readonly flaws: readonly string[];
  readonly isHere: boolean;
  /** What it said and did not hear yet; of a plain one over this connection. */
  readonly unanswered: ReadonlySet<string>;
  say(content: string): void;
  /** The connection is cut; it comes back. */
  cut(): void;
  /** Goes, and does not come back. */
  end(): Promise<void>;
};

/** A client of `guildhall.v1`: it comes back with `since`, and says again what was not answered. */
export type Follower = Visitor & {
  /** What it said and was answered, by key, which is the content. */
  readonly answered: ReadonlyMap<string, number>;
  /** What was refused is not said again. */
  drop(content: string): void;
  /** Each id once, in the order in which they came first. */
  ids(): number[];
  readonly counts: {
    /** Messages that a welcome brought after a return. */
    readonly replayed: number;
    /** Messages said again. */
    readonly resent: number;
    /** Answers that told again what had been stored before. */
    readonly foundStored: number;
  };
};

export type Where = {
  /** Asked for at every return: it may be another node by then. */
  readonly url: () => string;
  readonly user: ChatUser;
  readonly room: number | string;
  /** How long to wait before coming back, in milliseconds. */
  readonly returnMs?: number;
  /** Close codes that are no flaw. */
  readonly returning?: ReadonlySet<number>;
  /** `error` and `moderated` frames of guildhall.v1; without it they are flaws. */
  readonly onFrame?: (frame: Frame) => void;
};

const RETURN_MS = 15;
// The connection is lost, or the server asks to come back.
const RETURNING: ReadonlySet<number> = new Set([1001, 1006, 1012]);

type Line = {
  readonly isHere: boolean;
  send(text: string): void;
  cut(): void;
  end(): Promise<void>;
};

/** Opens a socket and opens it again until `end`. */
function keepOpen(
  { url, user, room, returnMs = RETURN_MS }: Where,
  protocols: readonly string[],
  query: () => Record<string, string | number>,
  on: { open(): void; frame(frame: Frame): void; close(code: number): void },
): Line {
  let ws: WebSocket | undefined;
  let timer: Timer | undefined;
  let isOver = false;
  const over = Promise.withResolvers<void>();

  function open(): void {
    const opened = new WebSocket(url().replace(/^http/, "ws") + joinPath(room, query()), {
      headers: { Cookie: user.cookie },
      protocols: [...protocols],
    });
    ws = opened;
    let wasOpen = false;
    opened.onopen = () => {
      wasOpen = true;
      on.open();
    };
    opened.onmessage = ({ data }) => on.frame(JSON.parse(String(data)));
    opened.onclose = ({ code }) => {
      if (isOver) return over.resolve();
      if (wasOpen) on.close(code);
      timer = setTimeout(open, returnMs);
    };
  }

  open();
  return {
    get isHere() {
      return ws?.readyState === WebSocket.OPEN;
    },
    send: (text) => ws?.send(text),
    cut: () => ws?.terminate(),
    async end() {
      isOver = true;
      clearTimeout(timer);
      if (ws === undefined || ws.readyState === WebSocket.CLOSED) return;
      ws.close(1000);
      await over.promise;
    },
  };
}

/** Comes at once, and is `isHere` when it has been welcomed. */
export function follow(where: Where): Follower {
  const { returning = RETURNING, onFrame } = where;
  const visits: number[][] = [];
  const told = new Map<number, Told>();
  const notices: string[] = [];
  const flaws: string[] = [];
  const unanswered = new Set<string>();
  // How often each was said over this connection, less the answers that told it again.
  const saidHere = new Map<string, number>();
  const answered = new Map<string, number>();
  const counts = { replayed: 0, resent: 0, foundStored: 0 };
  let epoch: string | null = null;
  let newest = 0;
  let isWelcome = false;

  const line = keepOpen(where, [V1], () => (epoch === null ? {} : { since: newest, epoch }), {
    open: () => visits.push([]),
    frame: hear,
    close(code) {
      isWelcome = false;
      if (!returning.has(code)) flaws.push(`closed with ${code}`);
    },
  });

  const isOwn = (message: Told): boolean => message.userId === where.user.id;

  function hear(frame: Frame): void {
    if (frame.type === "welcome") welcome(frame);
    else if (frame.type === "message") hearMessage(frame);
    else if (["joined", "left", "typing", "deleted"].includes(frame.type))
      notices.push(`${frame.type} ${frame.id}`);
    else if (onFrame !== undefined && ["error", "moderated"].includes(frame.type)) onFrame(frame);
    else flaws.push(JSON.stringify(frame));
  }

  function welcome(frame: Frame): void {
    if (isWelcome) flaws.push("welcomed twice");
    if (frame.gap) flaws.push(`a gap after ${newest}`);
    if (epoch !== null && epoch !== frame.epoch) flaws.push(`another epoch: ${frame.epoch}`);
    if (epoch !== null) counts.replayed += frame.history.length;
    epoch = frame.epoch;
    for (const message of frame.history) add(message);
    isWelcome = true;
    saidHere.clear();
    for (const key of unanswered) {
      counts.resent += 1;
      send(key);
    }
  }

  function hearMessage(message: Told): void {
    if (!isWelcome) flaws.push(`${message.id} before the welcome`);
    const key = isOwn(message) ? message.key : undefined;
    if (key !== undefined && unanswered.delete(key)) answered.set(key, message.id);
    // What had been stored when it was said here is told again, to this connection alone.
    const timesSaid = saidHere.get(key ?? "") ?? 0;
    if (key === undefined || !told.has(message.id) || timesSaid === 0) {
      add(message);
      return;
    }
    saidHere.set(key, timesSaid - 1);
    counts.foundStored += 1;
  }

  function add(message: Told): void {
    if (told.has(message.id)) flaws.push(`${message.id} twice`);
    else if (message.id <= newest) flaws.push(`${message.id} after ${newest}`);
    newest = Math.max(newest, message.id);
    told.set(message.id, message);
    visits.at(-1)?.push(message.id);
  }

  function send(content: string): void {
    saidHere.set(content, (saidHere.get(content) ?? 0) + 1);
    line.send(JSON.stringify({ type: "message", content, key: content }));
  }

  return {
    user: where.user,
    visits,
    told,
    notices,
    flaws,
    answered,
    unanswered,
    counts,
    ids: () => [...told.keys()],
    get isHere() {
      return isWelcome && line.isHere;
    },
    say(content) {
      unanswered.add(content);
      if (isWelcome && line.isHere) send(content);
    },
    drop: (content) => void unanswered.delete(content),
    cut: line.cut,
    end: line.end,
  };
}

/** A client of the plain protocol: what is said while it is away it never hears, and nothing is said again. */
export function listen(where: Where): Visitor {
  const { returning = RETURNING } = where;
  const visits: number[][] = [];
  const told = new Map<number, Told>();
  const flaws: string[] = [];
  const unanswered = new Set<string>();
  const line = keepOpen(where, [], () => ({}), {
    open: () => visits.push([]),
    close(code) {
      unanswered.clear();
      if (!returning.has(code)) flaws.push(`closed with ${code}`);
    },
    frame(frame) {
      if (frame.error !== undefined) flaws.push(frame.error);
      if (frame.id === undefined) return;
      const visit = visits.at(-1) ?? [];
      const last = visit.at(-1) ?? 0;
      if (frame.id <= last) flaws.push(`${frame.id} after ${last}`);
      visit.push(frame.id);
      if (frame.userId === where.user.id) unanswered.delete(frame.content);
      told.set(frame.id, frame);
    },
  });
  return {
    user: where.user,
    visits,
    told,
    notices: [],
    flaws,
    unanswered,
    get isHere() {
      return line.isHere;
    },
    say(content) {
      if (!line.isHere) return;
      unanswered.add(content);
      line.send(content);
    },
    cut: line.cut,
    end: line.end,
  };
}

/** Says it over REST, again and again with the same key until it is answered; the answered message. */
export async function insist(user: ChatUser, room: number | string, content: string): Promise<Told> {
  for (;;) {
    const answer = await user
      .call("POST", `/ws/rooms/${room}/messages`, { content, key: content })
      .catch(() => null);
    if (answer?.status === 201) return answer.body;
    // 503: it is starting.
    if (answer !== null && answer.status !== 503)
      throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
    await Bun.sleep(RETURN_MS);
  }
}

const PAGE = 300;

/** All messages of a room, page by page from the first one on. */
export async function historyOf(user: ChatUser, room: number | string): Promise<Told[]> {
  const messages: Told[] = [];
  for (;;) {
    const page = await pageOf(user, room, `after=${messages.at(-1)?.id ?? 0}`);
    messages.push(...page);
    if (page.length < PAGE) return messages;
  }
}

/** The same, from the last one back. */
export async function historyBackwards(user: ChatUser, room: number | string): Promise<Told[]> {
  let messages: Told[] = [];
  for (;;) {
    const first = messages[0];
    const page = await pageOf(user, room, first === undefined ? "" : `before=${first.id}`);
    messages = [...page, ...messages];
    if (page.length < PAGE) return messages;
  }
}

async function pageOf(user: ChatUser, room: number | string, query: string): Promise<Told[]> {
  const { status, body } = await user.call("GET", `/ws/rooms/${room}/messages?limit=${PAGE}&${query}`);
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
  return body.messages;
}

/** The same person, by the same session, at another node. */
export const at = (node: RunningServer, user: ChatUser): ChatUser => ({
  ...user,
  get cookie() {
    return user.cookie;
  },
  call: (method, path, body) =>
    node.call(method, path, { headers: { Cookie: user.cookie }, ...(body === undefined ? {} : { body }) }),
  join: (room, options = {}) =>
    openSocket(node.url, room, { ...options, headers: { Cookie: user.cookie, ...options.headers } }),
});

/** The way to an HTTP server on which each request and each answer takes a time of its own: they overtake each other. */
export function startUnevenWay(
  url: string,
  longestMs: number,
): { readonly url: string; close(): Promise<void> } {
  const delay = () => Bun.sleep(Math.random() * longestMs);
  const way = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname } = new URL(request.url);
      const { method, headers } = request;
      const body = await request.bytes();
      await delay();
      const answer = await fetch(url + pathname, { method, headers, body });
      const bytes = await answer.bytes();
      await delay();
      const type = answer.headers.get("Content-Type") ?? "application/json";
      return new Response(bytes, { status: answer.status, headers: { "Content-Type": type } });
    },
  });
  return { url: `http://127.0.0.1:${way.port}`, close: () => way.stop(true) };
}
