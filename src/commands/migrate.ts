import type { Flags } from "../config.ts";
import { withCore } from "./tool.ts";

export async function migrateOnly(flags: Flags): Promise<void> {
  await withCore(flags, async () => {
    process.stdout.write("The database is up to date.\n");
  });
}
