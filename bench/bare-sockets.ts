export {};

// The machine's own limit for chat: a socket follows the topic that its path names, and what it says is published
// there as a text of this length. The first frame is a text of that length, so that every socket has one.
const [bytes = "100", firstBytes = "20"] = process.argv.slice(2);
const published = "x".repeat(Number(bytes));
const first = "x".repeat(Number(firstBytes));
const server = Bun.serve<{ topic: string }>({
  hostname: "127.0.0.1",
  port: 0,
  development: false,
  fetch(request, self) {
    const topic = new URL(request.url).pathname;
    return self.upgrade(request, { data: { topic } }) ? undefined : new Response(null, { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    open(socket) {
      socket.subscribe(socket.data.topic);
      socket.send(first);
    },
    message: (socket) => void server.publish(socket.data.topic, published),
  },
});
process.stdout.write(`http://127.0.0.1:${server.port}\n`);
