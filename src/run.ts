/** Runs a command; what it cannot do is told in words, without a stack where the user can mend it. */
export async function run(command: () => Promise<unknown>): Promise<void> {
  try {
    await command();
  } catch (error) {
    // Told apart by name, so that the renderer's child need not load what defines them.
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    const mendable = name === "ConfigError" || name === "CommandError" || name === "DomainError";
    process.stderr.write(`${mendable ? message : (stack ?? message)}\n`);
    process.exit(name === "ConfigError" ? 2 : 1);
  }
}

/** A failure that the user can mend. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}
