import { batch, signal } from "@preact/signals";
import type { Link } from "./link.ts";
import { createOutbox, type Waiting } from "./outbox.ts";
import type { FrameError } from "./shapes.ts";

/** Why the first of those that wait is not sent at once; it will be, by itself. */
export type Delay = { readonly code: FrameError; readonly seconds: number };

// A message is answered by its own broadcast; a socket that stays silent for so long is dead.
const ANSWER_MS = 10_000;
const FIRST_RESEND_SECONDS = 1.5;
const MAX_RESEND_SECONDS = 30;
const UNTOLD_SECONDS = 5;
const RESEND_SPREAD_MS = 500;
/** Refusals that end by themselves. */
const RESENT: readonly FrameError[] = ["too_fast", "slow_mode", "unavailable"];

/** What one says goes out one after the other, so that it is stored in the order in which it was said. */
export function startSending(accountId: number, roomId: string, link: Pick<Link, "send" | "drop">) {
  const outbox = createOutbox(accountId, roomId);
  const waiting = signal<readonly Waiting[]>(outbox.read());
  const delay = signal<Delay | null>(null);
  /** One that waited had been stored, and removed since. */
  const hasVanished = signal(false);
  let inFlight: string | null = null;
  let failures = 0;
  let answering: ReturnType<typeof setTimeout> | undefined;
  let resending: ReturnType<typeof setTimeout> | undefined;

  const reread = () => {
    waiting.value = outbox.read();
  };
  const changed = (event: StorageEvent) => {
    if (outbox.isOf(event.key)) reread();
  };
  addEventListener("storage", changed);

  function next(): void {
    if (inFlight !== null || delay.value !== null) return;
    const first = outbox.read().find(({ refusal }) => refusal === null);
    if (first === undefined || !link.send({ type: "message", content: first.content, key: first.key }))
      return;
    inFlight = first.key;
    answering = setTimeout(link.drop, ANSWER_MS);
  }

  function answered(): void {
    inFlight = null;
    clearTimeout(answering);
  }

  function wait(code: FrameError, message: string): void {
    const told = code === "unavailable" ? FIRST_RESEND_SECONDS * 2 ** failures : secondsIn(message);
    failures += 1;
    delay.value = { code, seconds: told };
    clearTimeout(resending);
    resending = setTimeout(
      () => {
        delay.value = null;
        next();
      },
      Math.min(told, MAX_RESEND_SECONDS) * 1_000 + Math.random() * RESEND_SPREAD_MS,
    );
  }

  return {
    waiting,
    delay,
    hasVanished,
    next,
    /** The socket is gone: whether the last one arrived is not known. */
    lost: answered,

    /** False when too much is waiting already. */
    say(content: string): boolean {
      hasVanished.value = false;
      if (!outbox.add(content)) return false;
      reread();
      next();
      return true;
    },

    resend(key: string): void {
      outbox.refuse(key, null);
      reread();
      next();
    },

    discard(key: string): void {
      outbox.remove(key);
      reread();
    },

    stored(key: string): void {
      outbox.remove(key);
      reread();
      if (key !== inFlight) return;
      failures = 0;
      answered();
      next();
    },

    refused(key: string, code: FrameError, message: string): void {
      if (key === inFlight) answered();
      if (RESENT.includes(code)) {
        wait(code, message);
        return;
      }
      batch(() => {
        // Whatever else makes a bad frame is not sent from here.
        if (code === "bad_frame") {
          outbox.remove(key);
          hasVanished.value = true;
        } else outbox.refuse(key, { code, message });
        reread();
      });
      next();
    },

    /** Nothing of it will be wanted. */
    clear(): void {
      outbox.clear();
      reread();
    },

    close(): void {
      answered();
      clearTimeout(resending);
      removeEventListener("storage", changed);
    },
  };
}

/** The frame tells the seconds in its sentence alone. */
function secondsIn(sentence: string): number {
  const [digits] = /\d+/.exec(sentence) ?? [];
  return digits === undefined ? UNTOLD_SECONDS : Math.max(1, Number(digits));
}
