import { join } from "node:path";

export type Ran = { readonly code: number | null; readonly out: string; readonly err: string };

export type RunOptions = {
  readonly dataDir: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
};

const ROOT = join(import.meta.dir, "../..");

/** Starts `guildhall ...` without an environment of ours. */
export const spawnCommand = (args: readonly string[], { dataDir, env = {}, stdin = "" }: RunOptions) =>
  Bun.spawn(["bun", "src/main.ts", ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? "", DATA_DIR: dataDir, LOG_FORMAT: "json", ...env },
    stdin: Buffer.from(stdin),
    stdout: "pipe",
    stderr: "pipe",
  });

/** Runs `guildhall ...` to its end. */
export async function runCommand(args: readonly string[], options: RunOptions): Promise<Ran> {
  const child = spawnCommand(args, options);
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  await child.exited;
  return { code: child.exitCode, out, err };
}
