import { which } from "bun";

/**
 * Whether a program that a test looks through is installed. Absent, the test is to be skipped, which is said
 * once; in CI it throws instead, so that nothing is left out unseen.
 */
export function requireTool(name: string): boolean {
  if (which(name) !== null) return true;
  if (process.env.CI) throw new Error(`${name} is not installed, and CI leaves no test out`);
  if (!missing.has(name)) console.log(`skipped: tests that need ${name}, which is not installed`);
  missing.add(name);
  return false;
}

const missing = new Set<string>();
