import { Command, InvalidArgumentError } from "commander";
import type { Flags } from "./config.ts";
import { run } from "./run.ts";
import { version } from "./version.ts";

// Every command is loaded when it is asked for: the renderer's child and the short commands stay small.

/** The command line. Exit codes: 0 done, 1 failed, 2 wrong usage or settings. */
function commandLine(): Command {
  const program = new Command("guildhall")
    .description("The backend of a small community in one binary.")
    .version(version)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

  withDataDir(program.command("serve"))
    .description("start the server, with a worker unless told otherwise")
    .option("--port <number>", "listen on this port (PORT)", notEmpty)
    .option("--no-worker", "make no documents in this process (WORKER_CONCURRENCY=0)")
    .action(async (options: { port?: string; dataDir?: string; worker: boolean }) => {
      const { serve } = await import("./commands/serve.ts");
      await serve({
        PORT: options.port,
        DATA_DIR: options.dataDir,
        WORKER_CONCURRENCY: options.worker ? undefined : "0",
      });
    });

  withDataDir(program.command("worker"))
    .description("make documents in a process of its own")
    .action(async (options: DataDir) => {
      const { work } = await import("../worker/run.ts");
      await work(flagsOf(options));
    });

  withDataDir(program.command("migrate"))
    .description("bring the database up to date")
    .action(async (options: DataDir) => {
      const { migrateOnly } = await import("./commands/migrate.ts");
      await migrateOnly(flagsOf(options));
    });

  const user = program
    .command("user")
    .description("administration from the shell, also while the server runs");
  withDataDir(user.command("add"))
    .description("make an account; its password is read from standard input, unseen and twice at a terminal")
    .argument("<email>")
    .option("--username <name>", "else it is taken from the e-mail address")
    .option("--role <role>", "give it this role, e.g. admin")
    .requiredOption("--password-stdin", "read the password from standard input")
    .action(async (email: string, options: DataDir & { username?: string; role?: string }) => {
      const { addUser } = await import("./commands/user.ts");
      await addUser(flagsOf(options), { email, username: options.username, role: options.role });
    });
  withDataDir(user.command("list"))
    .description("list the accounts")
    .action(async (options: DataDir) => {
      const { listUsers } = await import("./commands/user.ts");
      await listUsers(flagsOf(options));
    });
  for (const verb of ["grant", "revoke"] as const) {
    withDataDir(user.command(verb))
      .description(verb === "grant" ? "give a role" : "take a role away")
      .argument("<email>")
      .argument("<role>")
      .action(async (email: string, role: string, options: DataDir) => {
        const { changeRole } = await import("./commands/user.ts");
        await changeRole(flagsOf(options), verb, email, role);
      });
  }
  withDataDir(user.command("disable"))
    .description("deactivate an account and end its sessions")
    .argument("<email>")
    .action(async (email: string, options: DataDir) => {
      const { disableUser } = await import("./commands/user.ts");
      await disableUser(flagsOf(options), email);
    });

  const backup = program.command("backup").description("save everything, and get it back");
  withDataDir(backup.command("create"))
    .description("make a backup, also while the server runs")
    .action(async (options: DataDir) =>
      (await import("./commands/backup.ts")).createBackup(flagsOf(options)),
    );
  withDataDir(backup.command("list"))
    .description("list the backups")
    .action(async (options: DataDir) => (await import("./commands/backup.ts")).listBackups(flagsOf(options)));
  withDataDir(backup.command("verify"))
    .description("look at every byte of a backup, the newest unless told otherwise")
    .argument("[backup]", "its name, or its folder")
    .option("--all", "of all of them")
    .action(async (name: string | undefined, options: DataDir & { all?: boolean }) => {
      const { verifyBackups } = await import("./commands/backup.ts");
      await verifyBackups(flagsOf(options), name ?? null, options.all === true);
    });
  withDataDir(backup.command("restore"))
    .description("put a backup in place, while nothing runs")
    .argument("<backup>", "its name, or its folder")
    .option("--dry-run", "say what would be done, and do nothing")
    .option("--replace", "move aside what is there")
    .action(async (name: string, options: DataDir & { dryRun?: boolean; replace?: boolean }) => {
      const { restoreBackup } = await import("./commands/backup.ts");
      const how = { dryRun: options.dryRun === true, replace: options.replace === true };
      await restoreBackup(flagsOf(options), name, how);
    });

  const config = program.command("config").description("look at the settings");
  withDataDir(config.command("check"))
    .description("validate them")
    .action(async (options: DataDir) => (await import("./commands/config.ts")).checkConfig(flagsOf(options)));
  withDataDir(config.command("show"))
    .description("print them with where they come from; secrets are not shown")
    .action(async (options: DataDir) => (await import("./commands/config.ts")).showConfig(flagsOf(options)));

  program
    .command("openapi")
    .description("print the OpenAPI document")
    .action(async () => (await import("./commands/openapi.ts")).printOpenApi());

  program
    .command("licenses")
    .description("print the licences of everything that is inside this program")
    .action(async () => {
      const { default: notice } = await import("../NOTICE.md", { with: { type: "text" } });
      const { default: packages } = await import("../NOTICE-PACKAGES.md", { with: { type: "text" } });
      process.stdout.write(`${notice}\n${packages}`);
    });

  program.command("render", { hidden: true }).action(async () => {
    const { serveRenderer } = await import("../worker/render.ts");
    serveRenderer();
  });

  program.command("make-backup", { hidden: true }).action(async () => {
    const { serveMaker } = await import("./backups/make.ts");
    serveMaker();
  });

  return program;
}

type DataDir = { readonly dataDir?: string };

const withDataDir = (command: Command): Command =>
  command.option("--data-dir <path>", "the folder that everything is kept in (DATA_DIR)", notEmpty);

function notEmpty(value: string): string {
  if (value.trim() === "") throw new InvalidArgumentError("It is empty.");
  return value;
}

const flagsOf = ({ dataDir }: DataDir): Flags => ({ DATA_DIR: dataDir });

await run(() => commandLine().parseAsync(process.argv));
