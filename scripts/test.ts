import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Static checks, then every test. Ends with one line: how many passed and how many failed.
const folder = await mkdtemp(join(tmpdir(), "guildhall-tests-"));
const report = join(folder, "junit.xml");

async function run(...command: string[]): Promise<number> {
  return Bun.spawn([process.execPath, ...command], { stdout: "inherit", stderr: "inherit", stdin: "ignore" })
    .exited;
}

const FAILURE = /<testcase name="([^"]*)"[^>]*>\s*<failure[^>]*>([^<]*)<\/failure>/g;
const ENTITIES: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  amp: "&",
  quot: '"',
  apos: "'",
  "#10": "\n",
};
const plain = (text: string): string =>
  text.replace(/&([a-z]+|#10);/g, (whole, name) => ENTITIES[name] ?? whole);

const checked = await run("scripts/check.ts");
const tested = await run("test", "--reporter=junit", `--reporter-outfile=${report}`);
const xml = await readFile(report, "utf8").catch(() => "");
const [summary = ""] = /<testsuites [^>]*>/.exec(xml) ?? [];
const count = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(summary)?.[1] ?? 0);
await rm(folder, { recursive: true, force: true });

// Once more at the end: above, they are far apart.
for (const [, test = "", why = ""] of xml.matchAll(FAILURE)) {
  process.stdout.write(`\nFAILED ${plain(test)}\n${plain(why).trim()}\n`);
}

const skipped = count("skipped");
const failedTests = count("failures") + count("errors");
const passed = count("tests") - failedTests - skipped + (checked === 0 ? 1 : 0);
// A run that ended badly without a failed test (a crash, no report) is a failure all the same.
const failed = failedTests + (checked === 0 ? 0 : 1) + (tested !== 0 && failedTests === 0 ? 1 : 0);
process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
