import { constants, setPriority } from "node:os";
import { join } from "node:path";

/**
 * The command line of this very program with another argument. On Linux by /proc/self/exe: after an update in place
 * the path that we were started by is another version.
 */
export function ownProgram(argument: string): string[] {
  const program = process.platform === "linux" ? "/proc/self/exe" : process.execPath;
  const isExecutable = Bun.main.startsWith("/$bunfs/") || Bun.main.startsWith("B:/~BUN/");
  return isExecutable ? [program, argument] : [program, join(import.meta.dir, "main.ts"), argument];
}

/** Requests come first: that process takes what processor time they leave. */
export function lowerPriority(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It may have ended already, or the system may not allow it; either way it works without.
  }
}
