import { join } from "node:path";

export type Package = {
  readonly name: string;
  readonly version: string;
  /** Relative to the root of the source. */
  readonly folder: string;
};

const ROOT = join(import.meta.dir, "..");
// The program, and the browser app that it carries: packed apart, so that the program's graph does not show it.
const BUNDLES = [
  { entrypoint: "src/main.ts", target: "bun" },
  { entrypoint: "src/web/main.tsx", target: "browser" },
] as const;

/** Every package of which something is inside the executable, as the bundler has it; by name and version. */
export async function bundledPackages(): Promise<readonly Package[]> {
  const folders = new Set<string>();
  for (const { entrypoint, target } of BUNDLES) {
    const { metafile } = await Bun.build({
      entrypoints: [join(ROOT, entrypoint)],
      target,
      metafile: true,
      // The notices themselves, which may not be written yet.
      external: ["*.md"],
    });
    for (const path of Object.keys(metafile?.inputs ?? {})) {
      const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0];
      if (folder !== undefined) folders.add(folder);
    }
  }
  const packages = await Promise.all(
    [...folders].map(async (folder) => {
      const { name, version } = await Bun.file(join(ROOT, folder, "package.json")).json();
      return { name, version, folder };
    }),
  );
  const key = ({ name, version }: Package) => `${name}@${version}`;
  return [...new Map(packages.map((found) => [key(found), found])).values()].sort((a, b) =>
    key(a) < key(b) ? -1 : 1,
  );
}
