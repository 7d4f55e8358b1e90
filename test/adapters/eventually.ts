/**
 * Waits until `condition` gives true, and fails after `timeoutMs`; what it throws ends the waiting at once.
 * The default is below the time limit of a test, so that the message says what was waited for.
 */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 15_000,
  everyMs = 10,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${condition}`);
    await Bun.sleep(everyMs);
  }
}
