import { version as released } from "../package.json";

/** v0.6.0 is 0.6.0, three commits later it is 0.6.0-3-gabc1234; without a tag or git package.json's. */
export async function taggedVersion(directory: string): Promise<string> {
  if (Bun.which("git") === null) return released;
  const git = Bun.spawn(["git", "describe", "--tags", "--match", "v[0-9]*"], {
    cwd: directory,
    stdout: "pipe",
    stderr: "ignore",
  });
  const described = (await git.stdout.text()).trim();
  return (await git.exited) === 0 ? described.replace(/^v/, "") : released;
}
