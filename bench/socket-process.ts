import { type SocketLoad, type SocketResult, type SocketSpec, startSockets } from "./socket-load.ts";

// Sockets in a process of their own, so that they do not share the measured server's event loop.

export type SocketCommand = { readonly start: SocketSpec } | { readonly stop: true };
export type SocketAnswer =
  | { readonly opened: true }
  | { readonly result: SocketResult }
  | { readonly error: string };

function serveSockets(): void {
  let load: SocketLoad | undefined;
  const answer = (given: SocketAnswer) => void process.send?.(given);
  process.on("disconnect", () => process.exit(0));
  process.on("message", (message: unknown) => {
    const command = message as SocketCommand;
    if ("stop" in command) return load?.stop();
    load = startSockets(command.start, () => answer({ opened: true }));
    load.result.then(
      (result) => answer({ result }),
      (error: unknown) => answer({ error: String(error) }),
    );
  });
}

serveSockets();
