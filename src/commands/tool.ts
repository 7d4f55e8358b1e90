import { type Composition, compose } from "../compose.ts";
import { type Config, type Flags, loadSettings, localUrl } from "../config.ts";
import { prepareDataDir } from "../data-dir.ts";
import { openLog } from "../log.ts";

/** Runs a short command on the same database as the server, which may be running, and closes it again. */
export async function withCore<T>(
  flags: Flags,
  command: (composition: Composition, config: Config) => Promise<T>,
): Promise<T> {
  const { config } = loadSettings(flags);
  const { log } = await openLog({ level: "warn", format: config.logFormat, to: "stderr" });
  const secrets = await prepareDataDir(config.dataDir);
  const publicUrl = () => config.publicUrl ?? localUrl(config.host, config.port);
  const composition = await compose({ config, secrets, log, role: "tool", publicUrl });
  try {
    return await command(composition, config);
  } finally {
    await composition.close();
    await new Promise<void>((resolve) => log.flush(() => resolve()));
  }
}
