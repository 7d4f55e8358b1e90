import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { closest, distance } from "fastest-levenshtein";
import { z } from "zod";
import { parseDatabaseUrl } from "../db/url.ts";
import { createAddressOf } from "./http/address.ts";
import type { Limits } from "./http/rate-limit.ts";

const MIN_SECRET_BYTES = 32;
// Running requests, jobs and the farewells still have their time within the 10 s of a stop.
const MAX_DRAIN_SECONDS = 5;

const port = z.coerce.number().int().min(0).max(65_535);
const url = (protocols: readonly string[]) =>
  z
    .string()
    .refine(
      (text) => URL.canParse(text) && protocols.includes(new URL(text).protocol),
      `must be a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`,
    );
const secret = z
  .string()
  .refine(
    (text) => Buffer.byteLength(text) >= MIN_SECRET_BYTES,
    `must have ${MIN_SECRET_BYTES} bytes or more`,
  );

const WINDOW_MS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** Such as 10/15m: so many in a window of so long. */
const limit = (text: string) =>
  z
    .string()
    .regex(
      /^[1-9]\d{0,6}\/[1-9]\d{0,4}[smh]$/,
      "must be written like 10/15m: a number, and a window in s, m or h",
    )
    .default(text)
    .transform((value) => {
      const [points = "", window = ""] = value.split("/");
      const unit = window.at(-1) as keyof typeof WINDOW_MS;
      return { points: Number(points), windowMs: Number(window.slice(0, -1)) * WINDOW_MS[unit] };
    });

const databaseUrl = z.string().superRefine((text, context) => {
  const refuse = (message: string) => context.addIssue({ code: "custom", message });
  if (!/^(file:|libsql:\/\/|https?:\/\/)/.test(text)) {
    return refuse("must begin with file:, libsql://, http:// or https://");
  }
  try {
    parseDatabaseUrl(text);
  } catch (error) {
    refuse(error instanceof Error ? error.message : String(error));
  }
});

/** A time of day such as 03:50, or off; minutes since midnight, or null. */
const timeOfDay = (text: string) =>
  z
    .string()
    .regex(/^(([01]\d|2[0-3]):[0-5]\d|off)$/, "must be a time of day (UTC) such as 03:50, or off")
    .default(text)
    .transform((value) => (value === "off" ? null : Number(value.slice(0, 2)) * 60 + Number(value.slice(3))));

/** The settings, by the names of their environment variables. An empty value counts as absent. */
const SETTINGS = z.object({
  HOST: z.string().default("127.0.0.1"),
  PORT: port.default(8080),
  PUBLIC_URL: url(["http:", "https:"]).optional(),
  DATA_DIR: z.string().default("./data"),
  DATABASE_URL: databaseUrl.optional(),
  DATABASE_AUTH_TOKEN: z.string().optional(),
  AMQP_URL: url(["amqp:", "amqps:"]).optional(),
  S3_BUCKET: z.string().optional(),
  S3_ENDPOINT: url(["http:", "https:"]).optional(),
  S3_REGION: z.string().optional(),
  S3_PUBLIC_URL: url(["http:", "https:"]).optional(),
  SMTP_URL: url(["smtp:", "smtps:"]).optional(),
  MAIL_FROM: z.string().optional(),
  REGISTRATION: z.enum(["open", "invite", "closed"]).default("open"),
  JWT_SECRET: secret.optional(),
  JWT_SECRET_PREVIOUS: secret.optional(),
  WORKER_CONCURRENCY: z.coerce.number().int().min(0).max(64).default(1),
  RATE_LIMIT: z.enum(["on", "off"]).default("on"),
  RATE_LIMIT_REGISTER: limit("3/1h"),
  RATE_LIMIT_SIGN_IN: limit("10/15m"),
  RATE_LIMIT_FORGOT_PASSWORD: limit("3/1h"),
  RATE_LIMIT_REQUESTS: limit("100/1m"),
  RATE_LIMIT_MESSAGES: limit("10/10s"),
  CHAT_GUESTS: z.enum(["on", "off"]).default("off"),
  BACKUP_AT: timeOfDay("03:50"),
  BACKUPS_KEPT: z.coerce.number().int().min(1).max(1_000).default(7),
  BACKUP_BEFORE_MIGRATION: z.enum(["on", "off"]).default("on"),
  DRAIN_SECONDS: z.coerce.number().min(0).max(MAX_DRAIN_SECONDS).default(0),
  TRUST_PROXY: z
    .string()
    .transform((text) => text.split(",").map((part) => part.trim()))
    .optional(),
  LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
  CORS_ORIGINS: z
    .string()
    .transform((text) => text.split(",").map((part) => part.trim()))
    .refine(
      (origins) => origins.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin),
      {
        message: "must be exact origins such as https://club.example, separated by commas",
      },
    )
    .optional(),
  LOG_FORMAT: z.enum(["pretty", "json"]).optional(),
  METRICS_TOKEN: z.string().min(16, "must have 16 characters or more").optional(),
  WORKER_PORT: port.optional(),
});

type Values = z.output<typeof SETTINGS>;
type Name = keyof Values;

const NAMES = SETTINGS.keyof().options;
const SECRETS: ReadonlySet<Name> = new Set([
  "DATABASE_AUTH_TOKEN",
  "JWT_SECRET",
  "JWT_SECRET_PREVIOUS",
  "METRICS_TOKEN",
]);
const WITH_PASSWORD: ReadonlySet<Name> = new Set([
  "AMQP_URL",
  "DATABASE_URL",
  "SMTP_URL",
  "S3_ENDPOINT",
  "S3_PUBLIC_URL",
  "PUBLIC_URL",
]);

export type Source = "default" | "environment" | "flag";

export type Config = {
  readonly host: string;
  readonly port: number;
  /** Without a slash at its end. Null until the port is known, when none was set. */
  readonly publicUrl: string | null;
  /** Absolute. */
  readonly dataDir: string;
  readonly databaseUrl: string;
  readonly databaseAuthToken: string | null;
  readonly amqpUrl: string | null;
  readonly s3: {
    readonly bucket: string;
    readonly endpoint?: string;
    readonly region?: string;
    readonly publicUrl?: string;
  } | null;
  readonly smtpUrl: string | null;
  readonly mailFrom: string;
  readonly registration: "open" | "invite" | "closed";
  readonly chatGuests: boolean;
  /** Null: off. */
  readonly limitMessages: { readonly points: number; readonly windowMs: number } | null;
  readonly backups: {
    /** When the daily one is made, in minutes since midnight (UTC); null: never. */
    readonly atMinute: number | null;
    readonly dailyKept: number;
    readonly beforeMigration: boolean;
  };
  readonly jwtSecret: string | null;
  readonly jwtSecretPrevious: string | null;
  readonly workerConcurrency: number;
  /** Null: off. */
  readonly limits: Limits | null;
  /** For how long requests are still answered after the word to end. */
  readonly drainMs: number;
  /** Addresses or CIDRs. */
  readonly trustProxy: readonly string[];
  readonly corsOrigins: readonly string[];
  /** Null: metrics are told to this machine alone. */
  readonly metricsToken: string | null;
  /** Where a worker process tells how it is; null: nowhere. */
  readonly workerPort: number | null;
  readonly logLevel: string;
  readonly logFormat: "pretty" | "json";
};

export type Settings = {
  readonly config: Config;
  /** One line per setting, secrets redacted. */
  readonly shown: readonly { readonly name: string; readonly value: string; readonly source: Source }[];
  /** One line per name in the environment that is probably a misspelt one of ours. */
  readonly warnings: readonly string[];
};

/** Every problem with the settings, one line each. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  constructor(readonly problems: readonly string[]) {
    super(problems.join("\n"));
  }
}

export type Flags = { readonly [K in Name]?: string | undefined };

/** The only reader of the environment. Throws ConfigError. */
export function loadSettings(
  flags: Flags = {},
  env: Record<string, string | undefined> = process.env,
): Settings {
  const given = new Map<Name, { text: string; source: Source }>();
  for (const name of NAMES) {
    const text = flags[name] ?? (env[name]?.trim() || undefined);
    if (text !== undefined)
      given.set(name, { text, source: flags[name] === undefined ? "environment" : "flag" });
  }
  const parsed = SETTINGS.safeParse(Object.fromEntries([...given].map(([name, { text }]) => [name, text])));
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`));
  }
  const values: Values = parsed.data;
  const config = resolved(values);
  const effective = { ...values, PUBLIC_URL: shownPublicUrl(config), DATABASE_URL: config.databaseUrl };
  return {
    config,
    shown: NAMES.map((name) => ({
      name,
      value: redacted(name, effective[name]),
      source: given.get(name)?.source ?? "default",
    })),
    warnings: misspelt(Object.keys(env)),
  };
}

/** How a browser on this machine finds the server when no PUBLIC_URL is set. */
export function localUrl(host: string, port: number): string {
  const name = host === "0.0.0.0" || host === "::" ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return `http://${name}:${port}`;
}

// The system chooses a port of 0 only when the server listens.
const shownPublicUrl = ({ publicUrl, host, port }: Config): string | undefined =>
  publicUrl ?? (port === 0 ? undefined : localUrl(host, port));

function resolved(values: Values): Config {
  const dataDir = resolve(values.DATA_DIR);
  const problems: string[] = [];
  if (values.S3_BUCKET === undefined && (values.S3_ENDPOINT ?? values.S3_PUBLIC_URL) !== undefined) {
    problems.push("S3_BUCKET: must be set when S3_ENDPOINT or S3_PUBLIC_URL is");
  }
  if (values.SMTP_URL !== undefined && values.MAIL_FROM === undefined) {
    problems.push("MAIL_FROM: must be set when SMTP_URL is, e.g. Club <club@example.org>");
  }
  try {
    createAddressOf(values.TRUST_PROXY ?? []);
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  const remote = values.DATABASE_URL !== undefined && !values.DATABASE_URL.startsWith("file:");
  if (remote && values.JWT_SECRET === undefined) {
    problems.push("JWT_SECRET: must be set with a remote DATABASE_URL, since every node needs the same one");
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    host: values.HOST,
    port: values.PORT,
    publicUrl: values.PUBLIC_URL?.replace(/\/+$/, "") ?? null,
    dataDir,
    databaseUrl: values.DATABASE_URL ?? pathToFileURL(join(dataDir, "guildhall.db")).href,
    databaseAuthToken: values.DATABASE_AUTH_TOKEN ?? null,
    amqpUrl: values.AMQP_URL ?? null,
    s3:
      values.S3_BUCKET === undefined
        ? null
        : {
            bucket: values.S3_BUCKET,
            ...(values.S3_REGION === undefined ? {} : { region: values.S3_REGION }),
            ...(values.S3_ENDPOINT === undefined ? {} : { endpoint: values.S3_ENDPOINT }),
            ...(values.S3_PUBLIC_URL === undefined
              ? {}
              : { publicUrl: values.S3_PUBLIC_URL.replace(/\/+$/, "") }),
          },
    smtpUrl: values.SMTP_URL ?? null,
    mailFrom: values.MAIL_FROM ?? "Guildhall <guildhall@localhost>",
    registration: values.REGISTRATION,
    chatGuests: values.CHAT_GUESTS === "on",
    limitMessages: values.RATE_LIMIT === "off" ? null : values.RATE_LIMIT_MESSAGES,
    backups: {
      atMinute: values.BACKUP_AT,
      dailyKept: values.BACKUPS_KEPT,
      beforeMigration: values.BACKUP_BEFORE_MIGRATION === "on",
    },
    jwtSecret: values.JWT_SECRET ?? null,
    jwtSecretPrevious: values.JWT_SECRET_PREVIOUS ?? null,
    workerConcurrency: values.WORKER_CONCURRENCY,
    limits:
      values.RATE_LIMIT === "off"
        ? null
        : {
            register: values.RATE_LIMIT_REGISTER,
            signIn: values.RATE_LIMIT_SIGN_IN,
            forgotPassword: values.RATE_LIMIT_FORGOT_PASSWORD,
            requests: values.RATE_LIMIT_REQUESTS,
          },
    drainMs: values.DRAIN_SECONDS * 1000,
    trustProxy: values.TRUST_PROXY ?? [],
    corsOrigins: values.CORS_ORIGINS ?? [],
    metricsToken: values.METRICS_TOKEN ?? null,
    workerPort: values.WORKER_PORT ?? null,
    logLevel: values.LOG_LEVEL,
    logFormat: values.LOG_FORMAT ?? (process.stdout.isTTY ? "pretty" : "json"),
  };
}

function redacted(name: Name, value: unknown): string {
  if (value === undefined) return "";
  if (name === "BACKUP_AT") return shownTime(value);
  if (SECRETS.has(name)) return "(set, not shown)";
  if (typeof value === "object" && value !== null && "windowMs" in value && "points" in value) {
    return `${value.points}/${Number(value.windowMs) / 1000}s`;
  }
  const text = String(value);
  if (!WITH_PASSWORD.has(name) || !URL.canParse(text)) return text;
  const parsed = new URL(text);
  if (parsed.password === "" && parsed.searchParams.get("authToken") === null) return text;
  if (parsed.password !== "") parsed.password = "...";
  if (parsed.searchParams.has("authToken")) parsed.searchParams.set("authToken", "...");
  return parsed.href;
}

const shownTime = (minutes: unknown): string =>
  typeof minutes === "number" ? new Date(minutes * 60_000).toISOString().slice(11, 16) : "off";

// Names of other programs that happen to be near to one of ours.
const NOT_OURS = new Set(["HOSTNAME", "HOSTTYPE", "HOME"]);

function misspelt(envNames: readonly string[]): string[] {
  const known = new Set<string>(NAMES);
  return envNames.flatMap((name) => {
    if (known.has(name) || NOT_OURS.has(name) || name.length < 5) return [];
    const near = closest(name.toUpperCase(), NAMES);
    const allowed = near.length >= 8 ? 2 : 1;
    return distance(name.toUpperCase(), near) <= allowed
      ? [`${name} is not a setting; did you mean ${near}?`]
      : [];
  });
}
