export {};

// Somebody who means harm to a chat server, as a process of its own. It ends by itself.
const [mode = "", port = "", room = "1"] = process.argv.slice(2);
const url = `ws://127.0.0.1:${port}/ws/join-room/${room}`;

const CONNECTS = 2_000;
const AT_ONCE = 20;
const FLOOD_MS = 5_000;
const FRAMES_PER_TICK = 100;
const TICK_MS = 10;

const opened = (index: number): Promise<WebSocket> => {
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket>();
  const socket = new WebSocket(`${url}?username=hostile${index}`);
  socket.onopen = () => resolve(socket);
  socket.onerror = () => reject(new Error("refused"));
  return promise;
};

/** Comes and goes, two thousand times. */
async function connects(): Promise<void> {
  let index = 0;
  async function comeAndGo(): Promise<void> {
    while (index < CONNECTS) (await opened(index++)).close();
  }
  await Promise.all(Array.from({ length: AT_ONCE }, comeAndGo));
}

/** Ten thousand frames a second, and again when it is put out. */
async function flood(): Promise<void> {
  const end = performance.now() + FLOOD_MS;
  for (let index = 0; performance.now() < end; index++) {
    const socket = await opened(index);
    while (socket.readyState === WebSocket.OPEN && performance.now() < end) {
      for (let frame = 0; frame < FRAMES_PER_TICK; frame++) socket.send("flood");
      await Bun.sleep(TICK_MS);
    }
    socket.close();
  }
}

await (mode === "flood" ? flood() : connects());
process.exit(0);
