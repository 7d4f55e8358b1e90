// What is streamed differs by who reads it.
const HEADERS = { "Content-Type": "application/json", "Cache-Control": "no-store" };

/** A JSON array of unknown length, sent page by page as fast as the reader takes it, at constant memory. */
export function jsonArrayStream<T>(
  pages: AsyncGenerator<readonly T[]>,
  spell: (row: T) => unknown,
): Response {
  const encoder = new TextEncoder();
  let separator = "[";
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value: rows, done } = await pages.next();
      if (done) {
        controller.enqueue(encoder.encode(separator === "[" ? "[]" : "]"));
        controller.close();
        return;
      }
      const text = rows.map((row) => JSON.stringify(spell(row))).join(",");
      controller.enqueue(encoder.encode(separator + text));
      separator = ",";
    },
    async cancel() {
      await pages.return(undefined);
    },
  });
  return new Response(body, { headers: HEADERS });
}

type Part =
  | { readonly section: string; readonly value: unknown }
  | { readonly section: string; readonly rows: readonly unknown[] };

/** A JSON object whose long lists come in pages; pages of one section follow each other. */
export function jsonObjectStream(parts: AsyncGenerator<Part>, headers: Record<string, string>): Response {
  const encoder = new TextEncoder();
  let open: string | null = null;
  let first = true;
  let empty = true;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value: part, done } = await parts.next();
      if (done) {
        controller.enqueue(encoder.encode(`${open === null ? "" : "]"}${first ? "{" : ""}}`));
        controller.close();
        return;
      }
      controller.enqueue(encoder.encode(spell(part)));
    },
    async cancel() {
      await parts.return(undefined);
    },
  });

  function spell(part: Part): string {
    const isNew = part.section !== open;
    const close = isNew && open !== null ? "]" : "";
    const name = `${close}${first ? "{" : ","}${JSON.stringify(part.section)}:`;
    if ("value" in part) {
      open = null;
      first = false;
      return name + JSON.stringify(part.value);
    }
    const rows = part.rows.map((row) => JSON.stringify(row)).join(",");
    if (isNew) empty = true;
    const separator = isNew ? `${name}[` : rows === "" || empty ? "" : ",";
    open = part.section;
    first = false;
    if (rows !== "") empty = false;
    return separator + rows;
  }

  return new Response(body, { headers: { ...HEADERS, ...headers } });
}
