import { type Signal, signal } from "@preact/signals";
import { call, Failure, get } from "../api.ts";
import { readAccount } from "../session.ts";
import { onUnreachable } from "./rooms.ts";
import type { ServerFrame } from "./shapes.ts";

/** `lost`: it is tried again by itself. `shut`: not before the user asks for it. */
export type State =
  | { readonly kind: "connecting" | "open" | "lost" }
  | {
      readonly kind: "shut";
      readonly why: "removed" | "gone" | "refused" | "tooMuch";
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
};

const PROTOCOL = "guildhall.v1";
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 15_000;
const SESSION_ENDED = 4001;
/** After these one comes back only if one wants to. */
const SHUT = { 1008: "tooMuch", 4003: "removed", 4004: "gone" } as const;

/** A socket into a room that is opened again whenever it is lost. */
export function openLink(roomId: string, { since, hear, lost }: Options): Link {
  const state = signal<State>({ kind: "connecting" });
  const room = encodeURIComponent(roomId);
  let socket: WebSocket | null = null;
  let isClosed = false;
  let losses = 0;
  let retrying: ReturnType<typeof setTimeout> | undefined;
  // The reason why a socket is refused is not told to scripts; asked for over HTTP, it is.
  let mustProbe = true;

  async function connect(): Promise<void> {
    clearTimeout(retrying);
    if (isClosed || socket !== null) return;
    state.value = { kind: "connecting" };
    let ticket: string;
    try {
      ({ ticket } = await call<{ ticket: string }>("POST", "/ws/ticket"));
      if (mustProbe) await get(`/ws/rooms/${room}/messages?limit=1`);
    } catch (error) {
      refused(error);
      return;
    }
    if (isClosed || socket !== null) return;
    mustProbe = true;
    const from = since();
    const query = new URLSearchParams({
      ticket,
      ...(from === null ? {} : { since: String(from.id), epoch: from.epoch }),
    });
    const origin = location.origin.replace(/^http/, "ws");
    const opened = new WebSocket(`${origin}/ws/join-room/${room}?${query}`, PROTOCOL);
    socket = opened;
    opened.onmessage = (event) => {
      if (socket !== opened) return;
      const frame = JSON.parse(String(event.data)) as ServerFrame;
      if (frame.type === "welcome") {
        losses = 0;
        mustProbe = false;
        state.value = { kind: "open" };
      }
      hear(frame);
    };
    opened.onclose = (event) => {
      if (socket === opened) ended(event.code);
    };
  }

  function refused(error: unknown): void {
    const status = error instanceof Failure ? error.status : 0;
    if (status === 403 || status === 404) {
      state.value = { kind: "shut", why: status === 404 ? "gone" : "refused", failure: error };
    } else retry();
  }

  function ended(code: number): void {
    socket = null;
    lost();
    if (isClosed) return;
    if (code in SHUT) {
      state.value = { kind: "shut", why: SHUT[code as keyof typeof SHUT], failure: null };
      return;
    }
    // Finds out whether there still is a session, and signs out where there is none.
    if (code === SESSION_ENDED) void readAccount();
    retry();
  }

  function retry(): void {
    if (isClosed) return;
    state.value = { kind: "lost" };
    // By chance, so that after a restart not everybody comes at once.
    const backoffMs = Math.min(FIRST_RETRY_MS * 2 ** losses, MAX_RETRY_MS) * (0.5 + Math.random() / 2);
    losses += 1;
    clearTimeout(retrying);
    retrying = setTimeout(() => void connect(), backoffMs);
  }

  function drop(): void {
    const dropped = socket;
    if (dropped === null) return;
    ended(0);
    dropped.close();
  }

  function tryNow(): void {
    losses = 0;
    if (socket === null) void connect();
  }

  const isBack = () => {
    if (state.value.kind === "lost") tryNow();
  };
  // A socket may take minutes to notice that the network is gone.
  addEventListener("offline", drop);
  addEventListener("online", isBack);
  const forgetUnreachable = onUnreachable(drop);
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
      clearTimeout(retrying);
      removeEventListener("offline", drop);
      removeEventListener("online", isBack);
      forgetUnreachable();
      socket?.close();
      socket = null;
    },
  };
}
