/** Runs a command; what it cannot do is told in words, without a stack where the user can mend it. */
export async function run(command: () => Promise<unknown>): Promise<void> {
  // Whoever reads what we print, such as `head`, has had enough.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  try {
    await command();
  } catch (error) {
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    process.stderr.write(`${mendable(error) ?? stack ?? message}\n`);
    process.exit(name === "ConfigError" ? 2 : 1);
  }
}

const MAX_CAUSES = 8;
const IN_WORDS: ReadonlySet<string> = new Set(["ConfigError", "CommandError", "DomainError"]);
// Of a DatabaseError; the other kinds are mistakes in the program.
const PASSING: ReadonlySet<unknown> = new Set(["unavailable", "unknownOutcome", "busy", "full"]);
const NEWER_DATABASE = /^The database has the migration .+ which this program does not know/;

/**
 * The sentence of a failure that the user can mend, null of any other. What wraps it is left out: it holds the SQL.
 * Failures are told apart by name, so that the renderer's child need not load what defines them.
 */
function mendable(error: unknown): string | null {
  let candidate = error;
  for (let depth = 0; depth < MAX_CAUSES && candidate instanceof Error; depth++) {
    const { name, message } = candidate;
    if (IN_WORDS.has(name) || NEWER_DATABASE.test(message)) return message;
    if (name === "DatabaseError" && "kind" in candidate && PASSING.has(candidate.kind)) return message;
    candidate = candidate.cause;
  }
  return null;
}

/** A failure that the user can mend. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}
