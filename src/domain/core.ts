import type { Db } from "../../db/open.ts";
import type { Log } from "../log.ts";
import type { Tokens } from "./tokens.ts";

/** Milliseconds since 1970 (UTC). */
export type Clock = () => number;

/** The first one signs or seals, all of them verify and open: so that a secret can be replaced while it is in use. */
export type Keys = readonly [Uint8Array, ...Uint8Array[]];

/** Hashing of passwords at a bounded rate. Throws DomainError `overloaded` when too many are waiting. */
export interface Passwords {
  /** argon2id in PHC form. */
  hash(password: string): Promise<string>;
  /** With `null` for a hash it takes as long and answers false, so that an unknown account costs the same. */
  verify(password: string, hash: string | null): Promise<boolean>;
  /** True when the hash was made with other parameters than today's. */
  isOutdated(hash: string): boolean;
}

/**
 * Tells workers that the task table has news. A nudge carries no task: it may be lost (a sweep finds what is
 * overdue) or doubled (a claim is one UPDATE), so nobody waits for it.
 */
export interface JobQueue {
  /** Called after the commit. Never throws and never waits for a broker. */
  nudge(): void;
  /**
   * Calls `work` after each nudge, once when it begins and once after every reconnection; at most `concurrency`
   * calls at a time. Nudges that wait for a free call may share one.
   * The nudge is acknowledged when the promise settles, whichever way. The handle's `stop` takes no new nudge
   * and resolves when the running calls have ended.
   */
  consume(concurrency: number, work: () => Promise<void>): Promise<{ stop(): Promise<void> }>;
  /** Resolves when nudges flow, else rejects with the reason. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** A reason for another node to look into the database; what it says is never believed. */
export type Nudge =
  /** The message log has grown. */
  | { readonly kind: "messages" }
  /** Who is in a room has changed. */
  | { readonly kind: "presence"; readonly roomId: number }
  /** Sessions have ended, or somebody may do less than before. */
  | { readonly kind: "sessions" }
  /** Somebody is typing: the one thing that is carried, since nothing is lost with it. */
  | {
      readonly kind: "typing";
      readonly roomId: number;
      readonly userId: number;
      readonly username: string;
    };

/** A nudge, or `missed`: some may have been lost, so look at everything. */
export type News = Nudge | { readonly kind: "missed" };

/**
 * Nudges between the nodes of one community. They may be lost, doubled or reordered: every node looks by itself
 * from time to time, and is told `missed` after each connection that came back.
 */
export interface Bus {
  /** False: there are no other nodes, and nothing has to be shared with them. */
  readonly isShared: boolean;
  /**
   * Called after the commit. Never throws and never waits for a broker. With "all" the listeners of this node hear
   * it too, before the call returns; nudges that say the same may be sent as one.
   */
  publish(nudge: Nudge, to: "all" | "others"): void;
  /** `listener` must not throw. The answer ends it. */
  subscribe(listener: (news: News) => void): () => void;
  /** Resolves when nudges flow, else rejects with the reason. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** Where finished documents are kept. Keys are flat names made of ids: `[a-z0-9-]+\.[a-z]+`. */
export interface DocumentStore {
  /** Stores the whole object or nothing. May be called twice with the same key and bytes. */
  put(key: string, bytes: Uint8Array, contentType: string): Promise<void>;
  /** `null` when there is no such object; any other failure rejects. */
  get(key: string): Promise<Uint8Array | null>;
  /** A URL that works without signing in until `ttlSeconds` from now. It does not look whether the object exists. */
  link(key: string, ttlSeconds: number): Promise<string>;
  /** Resolves when objects can be stored and read, else rejects with the reason. */
  check(): Promise<void>;
}

export type Mail = {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
};

/** Hands a mail over. May be called twice with the same mail; rejects with the reason when it was not taken. */
export interface Mailer {
  send(mail: Mail): Promise<void>;
  /** Resolves when mails can be handed over, else rejects with the reason. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** What is counted one by one, and the kinds that are told apart. */
export type Counted = {
  readonly signIns: "done" | "refused" | "inactive";
  /** `grace` answered what was answered before; `reuse` ended a session. */
  readonly refreshes: "fresh" | "grace" | "reuse" | "refused";
  /** A key that was stored before is `repeated`. */
  readonly messages: "new" | "repeated";
  /** What came after `since` was told, or could not be told. */
  readonly replays: "exact" | "gap";
  readonly mails: "sent" | "postponed" | "givenUp";
  readonly limited: "register" | "signIn" | "forgotPassword" | "requests";
};

/** `lost`: another worker has the task now. `interrupted`: the worker stops, and the try does not count. */
export type JobOutcome = "done" | "failed" | "lost" | "interrupted";

/** How much there is at one moment, by name and kind. */
export type Gauges = Readonly<Record<string, number | Readonly<Record<string, number>>>>;

/** For who watches over the server. Nothing of it throws, and counting does not wait. */
export interface Metrics {
  count<What extends keyof Counted>(what: What, kind: Counted[What]): void;
  job(outcome: JobOutcome, seconds: number): void;
  /** `route` is a pattern such as `/users/:id`, never a path: there are as many of those as callers like. */
  request(answered: {
    readonly api: string;
    readonly method: string;
    readonly route: string;
    readonly status: number;
    readonly seconds: number;
  }): void;
  /** By the WebSocket's close code. */
  socketClosed(code: number): void;
  /** Everything that was counted, in Prometheus's text format, with what stands at this moment. */
  exposition(gauges: Gauges): Promise<{ readonly contentType: string; readonly text: string }>;
}

export type Registration = "open" | "invite" | "closed";

export type CoreSettings = {
  /** For links in mails; without a slash at its end. */
  readonly publicUrl: () => string;
  readonly registration: Registration;
  /** False with limits off: failed sign-ins then cost no waiting. */
  readonly limitSignIns: boolean;
  /** How often a person may say something in chat, with bursts of twice the points; null: as often as they like. */
  readonly limitMessages: { readonly points: number; readonly windowMs: number } | null;
  /** Whether chat can be used without signing in. */
  readonly chatGuests: boolean;
  /** 32 bytes each; what waits to be mailed is sealed with the first. */
  readonly sealingKeys: Keys;
};

/** What every domain verb takes as its first argument. */
export type Core = {
  readonly db: Db;
  readonly queue: JobQueue;
  readonly bus: Bus;
  readonly documents: DocumentStore;
  readonly mailer: Mailer;
  /** Called after the commit: there are mails to send. Never throws. */
  readonly nudgeMails: () => void;
  readonly passwords: Passwords;
  readonly tokens: Tokens;
  readonly clock: Clock;
  /** Resolves after so many milliseconds. */
  readonly sleep: (ms: number) => Promise<void>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly settings: CoreSettings;
};
