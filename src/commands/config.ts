import { loadSettings } from "../config.ts";

export async function checkConfig(): Promise<void> {
  const { warnings } = loadSettings();
  for (const warning of warnings) process.stderr.write(`${warning}\n`);
  process.stdout.write("The settings are valid.\n");
}

export async function showConfig(): Promise<void> {
  const { shown, warnings } = loadSettings();
  for (const warning of warnings) process.stderr.write(`${warning}\n`);
  for (const { name, value, source } of shown) process.stdout.write(`${name}=${value}  (${source})\n`);
}
