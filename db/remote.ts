import type { Connection } from "./connection.ts";
export type RemoteLimits = { readonly remoteTimeoutMs: number };
export function openRemote(
  _url: string,
  _authToken: string | undefined,
  _limits: Partial<RemoteLimits>,
): Connection {
  throw new Error("not yet");
}
