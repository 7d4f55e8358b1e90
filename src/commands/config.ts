import { type Flags, loadSettings } from "../config.ts";

export async function checkConfig(flags: Flags): Promise<void> {
  const { warnings } = loadSettings(flags);
  for (const warning of warnings) process.stderr.write(`${warning}\n`);
  process.stdout.write("The settings are valid.\n");
}

export async function showConfig(flags: Flags): Promise<void> {
  const { shown, warnings } = loadSettings(flags);
  for (const warning of warnings) process.stderr.write(`${warning}\n`);
  for (const { name, value, source } of shown) process.stdout.write(`${name}=${value}  (${source})\n`);
}
