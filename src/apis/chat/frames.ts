/** What a client of `guildhall.v1` says. */
export type ClientFrame =
  | { readonly type: "message"; readonly content: string; readonly key: string | null }
  | { readonly type: "typing" }
  | { readonly type: "read"; readonly id: number };

/** A frame by its text; null for what is none. */
export function parseFrame(text: string): ClientFrame | null {
  const given = parsed(text);
  if (given === null) return null;
  const { type, content, key = null, id } = given;
  if (type === "typing") return { type };
  if (type === "read")
    return typeof id === "number" && Number.isSafeInteger(id) && id >= 0 ? { type, id } : null;
  if (type !== "message" || typeof content !== "string") return null;
  return key === null || typeof key === "string" ? { type, content, key } : null;
}

type Fields = {
  readonly type?: unknown;
  readonly content?: unknown;
  readonly key?: unknown;
  readonly id?: unknown;
};

function parsed(text: string): Fields | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : null;
  } catch {
    return null;
  }
}
