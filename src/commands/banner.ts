import { realpathSync } from "node:fs";
import { relative } from "node:path";
import type { Config } from "../config.ts";
import { version } from "../version.ts";

export type BannerOptions = {
  readonly config: Config;
  readonly publicUrl: string;
  readonly hasAdmin: boolean;
};

/** What a start prints: where it is, how it runs, and what to do first. */
export function banner({ config, publicUrl, hasAdmin }: BannerOptions): string {
  const remote = !config.databaseUrl.startsWith("file:");
  const worker =
    config.workerConcurrency === 0
      ? "none in this process"
      : `${config.workerConcurrency} document${config.workerConcurrency === 1 ? "" : "s"} at a time`;
  const lines = [
    `Guildhall ${version}`,
    `  app         ${publicUrl}`,
    `  API         ${publicUrl}/docs`,
    `  database    ${remote ? "libSQL server" : config.databaseUrl}`,
    `  queue       ${config.amqpUrl === null ? "in the database" : "RabbitMQ"}`,
    `  documents   ${config.s3 === null ? `files in ${config.dataDir}/documents` : `S3 bucket ${config.s3.bucket}`}`,
    `  mail        ${config.smtpUrl === null ? `files in ${config.dataDir}/outbox` : "SMTP"}`,
    `  worker      ${worker}`,
  ];
  if (!hasAdmin) {
    lines.push(
      "",
      "There is no administrator yet. Make one (you are asked for the password):",
      `  ${programName()} user add you@example.org --role admin --password-stdin --data-dir ${quoted(config.dataDir)}`,
    );
  }
  return `${lines.join("\n")}\n\n`;
}

function programName(): string {
  if (/^(\/\$bunfs|B:\/~BUN)\//.test(Bun.main)) return quoted(process.execPath);
  const below = relative(process.cwd(), Bun.main);
  const program = quoted(below.startsWith("..") ? Bun.main : below);
  return hasBun() ? `bun ${program}` : `npx -y bun@${Bun.version} ${program}`;
}

/** Whether the user's shell has it too: npx puts its own copy on the PATH of what it starts, and of nothing else. */
function hasBun(): boolean {
  const found = Bun.which("bun");
  return found !== null && !realpathSync(found).includes("/_npx/");
}

const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
