import { type Load, type LoadResult, type LoadSpec, startLoad } from "./load.ts";

// The load generator as a process of its own, so that it does not share the measured server's event loop.

export type LoadCommand = { readonly start: LoadSpec } | { readonly stop: true };
export type LoadAnswer = { readonly result: LoadResult } | { readonly error: string };

function serveLoad(): void {
  let load: Load | undefined;
  process.on("disconnect", () => process.exit(0));
  process.on("message", async (message: unknown) => {
    const command = message as LoadCommand;
    if ("stop" in command) return load?.stop();
    load = startLoad(command.start);
    const answer: LoadAnswer = await load.result.then(
      (result) => ({ result }),
      (error: unknown) => ({ error: String(error) }),
    );
    process.send?.(answer);
  });
}

serveLoad();
