export {};

// What the machine's own limit is measured on: a constant answer and nothing else. Prints its port.
const [bytes = "2", port = "0"] = process.argv.slice(2);
const body = `"${"x".repeat(Math.max(0, Number(bytes) - 2))}"`;
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  development: false,
  fetch: () =>
    new Response(body, { headers: { "Content-Type": "application/json", "Cache-Control": "no-store" } }),
});
process.stdout.write(`http://127.0.0.1:${server.port}\n`);
