import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { bundledPackages, type Package } from "./bundled.ts";

// Writes NOTICE-PACKAGES.md, which `guildhall licenses` prints after NOTICE.md.
const ROOT = join(import.meta.dir, "..");
const INTRODUCTION = `# Packages inside the executable

Every npm package of which something is in the executable, with the licence texts that come with it. Written by
\`bun run notices\` from what the bundler takes in; equal texts stand once.
`;

type Manifest = {
  readonly license?: unknown;
  readonly author?: string | { readonly name?: string };
  readonly contributors?: readonly (string | { readonly name?: string })[];
};

const STANDARD_TEXTS: ReadonlyMap<string, string> = new Map([
  [
    "MIT",
    `Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.`,
  ],
  [
    "ISC",
    `Permission to use, copy, modify, and/or distribute this software for any
purpose with or without fee is hereby granted, provided that the above
copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH
REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY
AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM
LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR
OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR
PERFORMANCE OF THIS SOFTWARE.`,
  ],
]);

const packages = await bundledPackages();
const licences = await Promise.all(packages.map(async (found) => ({ found, texts: await textsOf(found) })));
const apache = licences.find(({ found }) => found.name === "@aws-sdk/client-s3")?.texts[0];
const byText = new Map<string, { readonly text: string; readonly holders: string[] }>();
for (const { found, texts } of licences) {
  for (const text of texts.length > 0 ? texts : [await standardText(found)]) {
    const key = text.replace(/\s+/g, " ");
    const group = byText.get(key) ?? { text, holders: [] };
    group.holders.push(`${found.name} ${found.version}`);
    byText.set(key, group);
  }
}
const sections = [...byText.values()].map(
  ({ text, holders }) => `## ${holders.join(", ")}\n\n\`\`\`\n${text.trimEnd()}\n\`\`\`\n`,
);
const notices = [INTRODUCTION, ...sections, await runtime()].join("\n");
await Bun.write(join(ROOT, "NOTICE-PACKAGES.md"), notices);

/** What it comes with: licence files, and notices that the Apache licence has handed on. */
async function textsOf({ folder }: Package): Promise<readonly string[]> {
  const names = (await readdir(join(ROOT, folder))).filter((name) =>
    /^(licen[cs]e|copying|notice)/i.test(name),
  );
  return Promise.all(names.sort().map((name) => Bun.file(join(ROOT, folder, name)).text()));
}

/** For a package that names its licence without enclosing the text. */
async function standardText({ name, folder }: Package): Promise<string> {
  const manifest: Manifest = await Bun.file(join(ROOT, folder, "package.json")).json();
  const people = [manifest.author, ...(manifest.contributors ?? [])]
    .map((person) => (typeof person === "string" ? person : person?.name))
    .filter((person) => person !== undefined);
  const copyright = `Copyright (c) ${people.length > 0 ? people.join(", ") : `the authors of ${name}`}`;
  const text = manifest.license === "Apache-2.0" ? apache : STANDARD_TEXTS.get(String(manifest.license));
  if (text === undefined)
    throw new Error(`${name} has no licence text, and ${manifest.license} is not known here.`);
  return `${copyright}\n\n${text}`;
}

/** What is linked into Bun itself, as its documentation lists it. */
async function runtime(): Promise<string> {
  const page = await Bun.file(join(ROOT, "node_modules/bun-types/docs/project/license.mdx")).text();
  const body = page
    .replace(/^---\n[\s\S]*?\n---\n/, "")
    .replaceAll(/^## /gm, "### ")
    .trim();
  return `## The runtime: Bun ${Bun.version}\n\n${body}\n`;
}
