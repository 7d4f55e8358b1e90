/** Only what was changed is sent: each API judges what is sent to it, also what another one took. */
export function changed(now: Readonly<Record<string, string>>, before: Readonly<Record<string, unknown>>) {
  return Object.entries(now).filter(([name, value]) => value !== String(before[name] ?? ""));
}
