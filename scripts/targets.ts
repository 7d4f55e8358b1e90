import { join } from "node:path";

/** The systems that executables are made for. x64 needs SSE4.2; Bun looks for newer instructions when it starts. */
export const TARGETS = [
  "linux-x64",
  "linux-x64-musl",
  "linux-arm64",
  "linux-arm64-musl",
  "darwin-x64",
  "darwin-arm64",
  "windows-x64",
] as const;
export type Target = (typeof TARGETS)[number];

export const isTarget = (text: string): text is Target => TARGETS.some((target) => target === text);

const RUNTIMES = join(import.meta.dir, "runtimes");

/** The file ending of the system's programs. */
export const endingOf = (target: Target): string => (target.startsWith("windows-") ? ".exe" : "");

/** Bun's own program for that system; `fetchRuntimes` has to have been there before. */
export const runtimeOf = (target: Target): string =>
  join(RUNTIMES, `node_modules/@oven/bun-${target.replace("arm64", "aarch64")}/bin/bun${endingOf(target)}`);

/** Installs the runtimes from the npm registry; the lock file beside them says which bytes they have to be. */
export async function fetchRuntimes(): Promise<void> {
  const { dependencies } = await Bun.file(join(RUNTIMES, "package.json")).json();
  for (const [name, version] of Object.entries(dependencies)) {
    if (version !== Bun.version) {
      throw new Error(
        `scripts/runtimes/package.json has ${name} ${version}, but this is Bun ${Bun.version}.`,
      );
    }
  }
  const install = Bun.spawn(
    [process.execPath, "install", "--frozen-lockfile", "--silent", "--os=*", "--cpu=*", "--libc=*"],
    { cwd: RUNTIMES, stdout: "inherit", stderr: "inherit" },
  );
  if ((await install.exited) !== 0) throw new Error("The runtimes could not be installed.");
}
