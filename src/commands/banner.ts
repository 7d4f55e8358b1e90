import { version } from "../../package.json";
import type { Config } from "../config.ts";

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
      "There is no administrator yet. Make one (it asks for a password on standard input):",
      `  ${programName()} user add you@example.org --role admin --password-stdin --data-dir ${config.dataDir}`,
    );
  }
  return `${lines.join("\n")}\n\n`;
}

const programName = () => (Bun.main.startsWith("/$bunfs/") ? process.execPath : "bun src/main.ts");
