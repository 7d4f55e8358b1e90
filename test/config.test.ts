import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { openDatabase } from "../db/open.ts";
import { s3Documents } from "../src/adapters/documents/s3.ts";
import { ConfigError, loadSettings } from "../src/config.ts";
import { setAwsCredentials } from "./adapters/aws-environment.ts";
import { temporaryFolder } from "./support/server.ts";

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

const shown = (env: Record<string, string>, name: string) =>
  loadSettings({}, env).shown.find((setting) => setting.name === name);

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadSettings({}, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

test("the README's table has every setting, and no other", async () => {
  const readme = await Bun.file(join(import.meta.dir, "../README.md")).text();
  const [table = ""] = /\n## Settings\n[\s\S]*?\n## /.exec(readme) ?? [];
  const rows = table.split("\n").filter((line) => line.startsWith("| `"));
  const named = rows.flatMap((row) => row.split("|")[1]?.match(/[A-Z][A-Z0-9_]+/g) ?? []);
  expect(named.toSorted()).toEqual(
    loadSettings({}, {})
      .shown.map(({ name }) => name)
      .toSorted(),
  );
});

describe("DATA_DIR", () => {
  test.each(["a#b?c", "a%20b", "100%", "with space", "Ελλάς", "it's"])(
    'a folder named "%s" holds the database',
    async (name) => {
      const dataDir = join(folder.path, name);
      await mkdir(dataDir);
      const { config } = loadSettings({ DATA_DIR: dataDir }, {});
      const db = await openDatabase(config.databaseUrl);
      await db.close();
      expect(existsSync(join(dataDir, "guildhall.db"))).toBe(true);
    },
  );
});

describe("DATABASE_URL", () => {
  test.each([
    ["file:x?mode=ro", "a file has no options"],
    ["file:", "it names no file"],
    ["file:%zz", "it names no file"],
    ["http://", "it has no host"],
    ["postgres://x", "must begin with file:"],
  ])("%s is a problem of the settings", (url, why) => {
    const problems = problemsOf({ DATABASE_URL: url, JWT_SECRET: "x".repeat(32) });
    expect(problems).toEqual([expect.stringMatching(/^DATABASE_URL: /)]);
    expect(problems[0]).toContain(why);
  });
});

describe.each(["AUDIT_KEPT", "DOCUMENTS_KEPT"])("%s", (name) => {
  const keptMs = (text: string) => {
    const { audit, documents } = loadSettings({}, { [name]: text }).config.keptMs;
    return name === "AUDIT_KEPT" ? audit : documents;
  };

  test("is an age, or off", () => {
    expect(["365d", "36h", "1d", "off", ""].map(keptMs)).toEqual([
      365 * 86_400_000,
      36 * 3_600_000,
      86_400_000,
      null,
      365 * 86_400_000,
    ]);
    expect([shown({}, name)?.value, shown({ [name]: "off" }, name)?.value]).toEqual(["365d", "off"]);
    expect(shown({ [name]: "36h" }, name)?.value).toBe("36h");
  });

  test.each(["365", "0d", "-1d", "1m", "1.5d", "never", "100000d"])(
    "%s is a problem of the settings",
    (text) => {
      expect(problemsOf({ [name]: text })).toEqual([
        `${name}: must be written like 365d: a number in h or d, or off`,
      ]);
    },
  );
});

describe("what is shown", () => {
  test("the defaults that hold", () => {
    const env = { DATA_DIR: "/srv/club" };
    expect(shown(env, "PUBLIC_URL")).toEqual({
      name: "PUBLIC_URL",
      value: "http://127.0.0.1:8080",
      source: "default",
    });
    expect(shown(env, "DATABASE_URL")?.value).toBe("file:///srv/club/guildhall.db");
    expect(shown({ HOST: "::", PORT: "90" }, "PUBLIC_URL")?.value).toBe("http://localhost:90");
    expect(shown({ PORT: "0" }, "PUBLIC_URL")?.value).toBe("");
    expect(shown(env, "S3_REGION")?.value).toBe("");
  });

  test.each(["PUBLIC_URL", "S3_ENDPOINT", "S3_PUBLIC_URL"])("no password in %s", (name) => {
    const env = { S3_BUCKET: "b", [name]: "https://user:hidden@cdn.example/" };
    expect(shown(env, name)?.value).toBe("https://user:...@cdn.example/");
  });
});

describe("CHAT_GUESTS", () => {
  test("is off unless it is on, and nothing else", () => {
    expect(loadSettings({}, {}).config.chatGuests).toBe(false);
    expect(loadSettings({}, { CHAT_GUESTS: "off" }).config.chatGuests).toBe(false);
    expect(loadSettings({}, { CHAT_GUESTS: "on" }).config.chatGuests).toBe(true);
    expect(shown({}, "CHAT_GUESTS")).toEqual({ name: "CHAT_GUESTS", value: "off", source: "default" });
    expect(problemsOf({ CHAT_GUESTS: "true" })).toEqual([expect.stringMatching(/^CHAT_GUESTS: .*on.*off/)]);
  });

  test("a misspelt name is told", () => {
    expect(loadSettings({}, { CHAT_GUEST: "on" }).warnings).toEqual([
      "CHAT_GUEST is not a setting; did you mean CHAT_GUESTS?",
    ]);
  });
});

describe("BACKUP_AT and BACKUPS_KEPT", () => {
  const backupsOf = (env: Record<string, string>) => loadSettings({}, env).config.backups;

  test("are ten to four and seven, or what is given", () => {
    expect(backupsOf({})).toEqual({ atMinute: 3 * 60 + 50, dailyKept: 7, beforeMigration: true });
    expect(backupsOf({ BACKUP_AT: "00:00" }).atMinute).toBe(0);
    expect(backupsOf({ BACKUP_AT: "off", BACKUPS_KEPT: "1", BACKUP_BEFORE_MIGRATION: "off" })).toEqual({
      atMinute: null,
      dailyKept: 1,
      beforeMigration: false,
    });
    const values = [{}, { BACKUP_AT: "23:59" }, { BACKUP_AT: "off" }].map(
      (env) => shown(env, "BACKUP_AT")?.value,
    );
    expect(values).toEqual(["03:50", "23:59", "off"]);
  });

  test.each(["3:50", "24:00", "03:60", "daily"])("%s is no time of day", (text) => {
    expect(problemsOf({ BACKUP_AT: text })).toEqual([
      "BACKUP_AT: must be a time of day (UTC) such as 03:50, or off",
    ]);
  });
});

describe("RATE_LIMIT_MESSAGES", () => {
  const limitOf = (env: Record<string, string>) => loadSettings({}, env).config.limitMessages;

  test("is ten in ten seconds, or what is given, or nothing without limits", () => {
    expect(limitOf({})).toEqual({ points: 10, windowMs: 10_000 });
    expect(limitOf({ RATE_LIMIT_MESSAGES: "3/1m" })).toEqual({ points: 3, windowMs: 60_000 });
    expect(limitOf({ RATE_LIMIT: "off" })).toBeNull();
    expect(limitOf({ RATE_LIMIT: "off", RATE_LIMIT_MESSAGES: "3/1m" })).toBeNull();
    expect(shown({ RATE_LIMIT_MESSAGES: "3/1m" }, "RATE_LIMIT_MESSAGES")).toEqual({
      name: "RATE_LIMIT_MESSAGES",
      value: "3/60s",
      source: "environment",
    });
  });

  test.each(["10", "0/10s", "10/10", "10/10 s", "off"])("%s is a problem of the settings", (text) => {
    expect(problemsOf({ RATE_LIMIT_MESSAGES: text })).toEqual([
      "RATE_LIMIT_MESSAGES: must be written like 10/15m: a number, and a window in s, m or h",
    ]);
  });
});

describe("DRAIN_SECONDS", () => {
  test("is none, or up to five", () => {
    const drainOf = (env: Record<string, string>) => loadSettings({}, env).config.drainMs;
    expect([drainOf({}), drainOf({ DRAIN_SECONDS: "2.5" }), drainOf({ DRAIN_SECONDS: "5" })]).toEqual([
      0, 2_500, 5_000,
    ]);
  });

  test.each(["-1", "6", "long"])("%s is a problem of the settings", (text) => {
    expect(problemsOf({ DRAIN_SECONDS: text })).toHaveLength(1);
  });
});

describe("S3_REGION", () => {
  const before = process.env.AWS_REGION;
  let restore: () => void;
  beforeEach(() => {
    restore = setAwsCredentials({ accessKeyId: "id", secretAccessKey: "secret" });
  });
  afterEach(() => {
    restore();
    if (before === undefined) delete process.env.AWS_REGION;
    else process.env.AWS_REGION = before;
  });

  async function regionOf(env: Record<string, string>): Promise<string | undefined> {
    const { s3 } = loadSettings({}, { S3_BUCKET: "b", ...env }).config;
    if (s3 === null) throw new Error("no S3");
    const link = new URL(await s3Documents(s3).link("0123456789abcdef.pdf", 60));
    return link.searchParams.get("X-Amz-Credential")?.split("/")[2];
  }

  test.each([{}, { S3_ENDPOINT: "http://127.0.0.1:9" }])(
    "AWS_REGION counts, ours before it: %p",
    async (env) => {
      process.env.AWS_REGION = "eu-west-3";
      expect(await regionOf(env)).toBe("eu-west-3");
      expect(await regionOf({ ...env, S3_REGION: "sa-east-1" })).toBe("sa-east-1");
    },
  );

  test("another store needs none", async () => {
    delete process.env.AWS_REGION;
    expect(await regionOf({ S3_ENDPOINT: "http://127.0.0.1:9" })).toBe("us-east-1");
  });
});
