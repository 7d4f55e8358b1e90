export {};

// Everything that can be said about the code without running it; each step's output is shown only when it fails.
const STEPS = [
  ["biome", "node_modules/.bin/biome", "check", "--error-on-warnings", "."],
  ["types", "node_modules/.bin/tsc"],
  ["types of the browser app", "node_modules/.bin/tsc", "--project", "src/web"],
  ["unused code", process.execPath, "--bun", "node_modules/.bin/knip", "--no-progress"],
  ["architecture", process.execPath, "test", "./test/architecture.test.ts"],
] as const;

const results = await Promise.all(
  STEPS.map(async ([name, ...command]) => {
    const startedAt = performance.now();
    const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { name, code, output: out + err, seconds: (performance.now() - startedAt) / 1000 };
  }),
);

for (const { name, code, output, seconds } of results) {
  process.stdout.write(`${code === 0 ? "ok    " : "FAILED"} ${name} (${seconds.toFixed(1)} s)\n`);
  if (code !== 0) process.stdout.write(`${output}\n`);
}
process.exit(results.every(({ code }) => code === 0) ? 0 : 1);
