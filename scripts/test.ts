import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Static checks, then every test. Ends with one line: how many passed and how many failed.

/** What looks at how soon something comes, or loads the machine itself. All else runs two files at a time. */
const ALONE =
  /^test\/(accounts\/timing|adapters\/(bus|rabbitmq|queue)|chat\/(abuse|hub|sockets)|end-to-end\/(chat-|drain|nodes|rolling)|fair-turns|soak)/;
const AT_A_TIME = 2;
// Bun's 5 s are too few where a test starts several processes on a busy machine.
const LIMIT_MS = 60_000;

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

type Outcome = { readonly passed: number; readonly failed: number; readonly skipped: number };

// Above they are far apart.
const toldAtEnd: string[] = [];
const folder = await mkdtemp(join(tmpdir(), "guildhall-tests-"));
const files = [...new Bun.Glob("test/**/*.test.ts").scanSync(".")].sort();
const alone = files.filter((file) => ALONE.test(file));
const together = files.filter((file) => !ALONE.test(file));

const outcomes = [
  {
    passed: 0,
    failed: 0,
    skipped: 0,
    ...((await run("scripts/check.ts")) === 0 ? { passed: 1 } : { failed: 1 }),
  },
  await tested("together", [`--parallel=${AT_A_TIME}`, ...together]),
  await tested("alone", alone),
];
await rm(folder, { recursive: true, force: true });
const sum = (what: keyof Outcome): number => outcomes.reduce((all, outcome) => all + outcome[what], 0);
const [passed, failed, skipped] = [sum("passed"), sum("failed"), sum("skipped")];
for (const failure of toldAtEnd) process.stdout.write(`\n${failure}\n`);
process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

async function run(...command: string[]): Promise<number> {
  return Bun.spawn([process.execPath, ...command], { stdout: "inherit", stderr: "inherit", stdin: "ignore" })
    .exited;
}

async function tested(name: string, args: readonly string[]): Promise<Outcome> {
  const report = join(folder, `${name}.xml`);
  const options = [`--timeout=${LIMIT_MS}`, "--reporter=junit", `--reporter-outfile=${report}`];
  const code = await run("test", ...options, ...args);
  const xml = await readFile(report, "utf8").catch(() => "");
  const [summary = ""] = /<testsuites [^>]*>/.exec(xml) ?? [];
  const count = (what: string) => Number(new RegExp(`\\b${what}="(\\d+)"`).exec(summary)?.[1] ?? 0);
  for (const [, test = "", why = ""] of xml.matchAll(FAILURE)) {
    toldAtEnd.push(`FAILED ${plain(test)}\n${plain(why).trim()}`);
  }
  const failures = count("failures") + count("errors");
  return {
    passed: count("tests") - failures - count("skipped"),
    // A run that ended badly without a failed test (a crash, no report) is a failure all the same.
    failed: failures === 0 && code !== 0 ? 1 : failures,
    skipped: count("skipped"),
  };
}
