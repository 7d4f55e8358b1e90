import { expect } from "bun:test";

/** What a busy machine needs to end a process, and less than the shortest timer that could keep it: 10 s. */
const LINGER_MS = 5_000;

/** Runs a script that ends with closing what it opened, and expects that nothing keeps its process alive then. */
export async function endsAfterClose(script: string): Promise<void> {
  const child = Bun.spawn([process.execPath, "-e", `${script}; console.log("closed");`], {
    cwd: new URL("../..", import.meta.url).pathname,
    stdout: "pipe",
    stderr: "inherit",
  });
  try {
    const first = await child.stdout.getReader().read();
    expect(new TextDecoder().decode(first.value)).toBe("closed\n");
    expect(await Promise.race([child.exited, Bun.sleep(LINGER_MS)])).toBe(0);
  } finally {
    child.kill();
  }
}
