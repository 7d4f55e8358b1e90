import type { Context } from "hono";

export type Upgrade = { readonly data: unknown; readonly headers: Readonly<Record<string, string>> };

/** What the server knows of a request besides the request itself. */
export type RequestInfo = {
  readonly id: string;
  /** The caller's address, behind trusted proxies too. Asked for only where it is needed: it costs a call. */
  address(): string;
  /** Makes the request a WebSocket; false when it cannot be one. What the handler answers is then dropped. */
  upgrade(options: Upgrade): boolean;
  /** After how many seconds of silence the connection is closed; 0 is never. */
  idleTimeout(seconds: number): void;
};

/** Every API is a Hono app of this environment. */
export type Env = { readonly Bindings: RequestInfo };

export type ApiContext = Context<Env>;
