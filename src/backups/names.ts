export const KINDS = ["daily", "manual", "before-migration"] as const;

export type Kind = (typeof KINDS)[number];

const NAME = /^(daily|manual|before-migration)-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/** Such as `20261121T035000Z`: sorts by time, and is a file name everywhere. */
export const stampOf = (at: number): string =>
  `${new Date(at).toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;

export const nameOf = (kind: Kind, at: number): string => `${kind}-${stampOf(at)}`;

/** Null for what is no backup's name. */
export function parseName(name: string): { readonly kind: Kind; readonly at: number } | null {
  const [, kindText, ...parts] = NAME.exec(name) ?? [];
  const kind = KINDS.find((known) => known === kindText);
  if (kind === undefined) return null;
  const [year = 0, month = 0, day, hour, minute, second] = parts.map(Number);
  const at = Date.UTC(year, month - 1, day, hour, minute, second);
  return nameOf(kind, at) === name ? { kind, at } : null;
}
