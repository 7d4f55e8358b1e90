import { type Signal, signal } from "@preact/signals";
import { call, Failure } from "../api.ts";
import { readAccount } from "../session.ts";
import { onUnreachable } from "./rooms.ts";
import type { ServerFrame } from "./shapes.ts";

/** `lost`: it is tried again by itself. `shut`: not before the user asks for it. */
export type State =
  | { readonly kind: "open" | "lost" }
  /** `isLate`: it is taking longer than one would wait without a word. */
  | { readonly kind: "connecting"; readonly isLate: boolean }
  | {
      readonly kind: "shut";
      readonly why: "removed" | "gone" | "refused" | "tooMuch" | "tooManyTabs";
      readonly failure: unknown;
    };

export type Link = {
  readonly state: Signal<State>;
  /** False when there is no open socket. */
  send(frame: object): boolean;
  /** Gives this socket up, whatever it still says, and opens another. */
  drop(): void;
  tryNow(): void;
  close(): void;
};

type Options = {
  /** What the next socket is to continue after. */
  readonly since: () => { readonly id: number; readonly epoch: string } | null;
  /** The first frame of each socket is its welcome. */
  readonly hear: (frame: ServerFrame) => void;
  readonly lost: () => void;
  /** The room will not be entered again. */
  readonly barred: () => void;
};

const PROTOCOL = "guildhall.v1";
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;
/** For each step: the ticket, the handshake, the welcome. */
const STEP_MS = 10_000;
const LATE_MS = 3_000;
/** A socket that lived so long was no failure. */
const SETTLED_MS = 10_000;
const SESSION_ENDED = 4001;
const RESTARTING = 1012;
const RESTART_MS = 2_000;
const RESTART_SPREAD_MS = 3_000;
/** After these one comes back only if one wants to. */
const SHUT = { 1008: "tooMuch", 4003: "removed", 4004: "gone" } as const;
// A script is not told why a handshake was refused. Where HTTP lets one in, it is for want of a place.
const MAX_REFUSALS = 4;

/** A socket into a room that is opened again whenever it is lost. */
export function openLink(roomId: string, { since, hear, lost, barred }: Options): Link {
  const state = signal<State>({ kind: "connecting", isLate: false });
  const room = encodeURIComponent(roomId);
  /** The attempt under way or the socket that came of it; aborted, nothing of it counts any more. */
  let current: AbortController | null = null;
  let socket: WebSocket | null = null;
  let heardAt = 0;
  let losses = 0;
  let refusals = 0;
  let isClosed = false;
  let retrying: ReturnType<typeof setTimeout> | undefined;
  let expiring: ReturnType<typeof setTimeout> | undefined;
  let settling: ReturnType<typeof setTimeout> | undefined;
  let gettingLate: ReturnType<typeof setTimeout> | undefined;
  let mustProbe = true;

  async function connect(): Promise<void> {
    abandon();
    if (isClosed) return;
    const attempt = new AbortController();
    const { signal } = attempt;
    current = attempt;
    connecting();
    expires();
    const isProbed = mustProbe;
    let ticket: string;
    try {
      ({ ticket } = await call<{ ticket: string }>("POST", "/ws/ticket", { signal }));
      if (isProbed) await call("GET", `/ws/rooms/${room}/messages?limit=1`, { signal });
    } catch (error) {
      if (current === attempt) refused(error);
      return;
    }
    if (current === attempt) open(attempt, ticket, isProbed);
  }

  function open(attempt: AbortController, ticket: string, isProbed: boolean): void {
    expires();
    mustProbe = true;
    const from = since();
    const query = new URLSearchParams({
      ticket,
      ...(from === null ? {} : { since: String(from.id), epoch: from.epoch }),
    });
    const origin = location.origin.replace(/^http/, "ws");
    const opened = new WebSocket(`${origin}/ws/join-room/${room}?${query}`, PROTOCOL);
    let isOpen = false;
    socket = opened;
    opened.onopen = () => {
      if (current !== attempt) return;
      isOpen = true;
      expires();
    };
    opened.onmessage = (event) => {
      if (current !== attempt) return;
      heardAt = Date.now();
      const frame = JSON.parse(String(event.data)) as ServerFrame;
      if (frame.type === "welcome") welcomed();
      hear(frame);
    };
    opened.onclose = (event) => {
      if (current !== attempt) return;
      if (isOpen || !isProbed) ended(event.code);
      else notAdmitted();
    };
  }

  function connecting(): void {
    state.value = { kind: "connecting", isLate: losses > 0 };
    gettingLate = setTimeout(() => {
      if (state.value.kind === "connecting") state.value = { kind: "connecting", isLate: true };
    }, LATE_MS);
  }

  function expires(): void {
    clearTimeout(expiring);
    expiring = setTimeout(drop, STEP_MS);
  }

  function welcomed(): void {
    clearTimeout(expiring);
    clearTimeout(gettingLate);
    refusals = 0;
    mustProbe = false;
    settling = setTimeout(() => {
      losses = 0;
    }, SETTLED_MS);
    state.value = { kind: "open" };
  }

  function abandon(): void {
    for (const timer of [retrying, expiring, settling, gettingLate]) clearTimeout(timer);
    const [left, leftSocket] = [current, socket];
    current = null;
    socket = null;
    left?.abort();
    leftSocket?.close();
  }

  function refused(error: unknown): void {
    abandon();
    const { status, retryAfterSeconds } = error instanceof Failure ? error : NO_ANSWER;
    if (status === 403 || status === 404) shut(status === 404 ? "gone" : "refused", error);
    else retry((retryAfterSeconds ?? 0) * 1_000);
  }

  function notAdmitted(): void {
    refusals += 1;
    if (refusals < MAX_REFUSALS) {
      ended(0);
      return;
    }
    abandon();
    refusals = 0;
    shut("tooManyTabs", null);
  }

  function ended(code: number): void {
    abandon();
    lost();
    if (code in SHUT) {
      shut(SHUT[code as keyof typeof SHUT], null);
      return;
    }
    // Finds out whether there still is a session, and signs out where there is none.
    if (code === SESSION_ENDED) void readAccount();
    retry(code === RESTARTING ? RESTART_MS + Math.random() * RESTART_SPREAD_MS : 0);
  }

  function shut(why: Extract<State, { kind: "shut" }>["why"], failure: unknown): void {
    state.value = { kind: "shut", why, failure };
    if (why === "gone" || why === "refused") barred();
  }

  function retry(atLeastMs: number): void {
    if (isClosed) return;
    state.value = { kind: "lost" };
    // By chance, so that after a restart not everybody comes at once.
    const backoffMs = Math.min(FIRST_RETRY_MS * 2 ** losses, MAX_RETRY_MS) * (0.5 + Math.random() / 2);
    losses += 1;
    retrying = setTimeout(() => void connect(), atLeastMs + backoffMs);
  }

  function drop(): void {
    if (current !== null) ended(0);
  }

  function tryNow(): void {
    losses = 0;
    if (state.value.kind !== "open") void connect();
  }

  const isBack = () => {
    if (state.value.kind === "lost") tryNow();
  };
  // A socket may take minutes to notice that the network is gone.
  addEventListener("offline", drop);
  addEventListener("online", isBack);
  const forgetUnreachable = onUnreachable((askedAt) => {
    if (state.value.kind === "open" && heardAt < askedAt) drop();
  });
  void connect();

  return {
    state,
    drop,
    tryNow,

    send(frame) {
      if (socket?.readyState !== WebSocket.OPEN || state.value.kind !== "open") return false;
      socket.send(JSON.stringify(frame));
      return true;
    },

    close() {
      isClosed = true;
      abandon();
      removeEventListener("offline", drop);
      removeEventListener("online", isBack);
      forgetUnreachable();
    },
  };
}

const NO_ANSWER = { status: 0, retryAfterSeconds: null };
