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
  return new Response(body, { headers: { "Content-Type": "application/json" } });
}
