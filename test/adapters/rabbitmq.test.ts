import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:net";
import { type RabbitmqQueueOptions, rabbitmqQueue } from "../../src/adapters/queue/rabbitmq.ts";
import { openSession } from "../../src/adapters/rabbitmq/session.ts";
import type { JobQueue } from "../../src/domain/core.ts";
import { available, type Broker, startBroker } from "../support/rabbitmq.ts";
import { type BrokerSide, brokerSide } from "./broker-side.ts";
import { endsAfterClose } from "./ends-after-close.ts";
import { eventually } from "./eventually.ts";
import { channelClose } from "./frames.ts";
import { createGate } from "./gate.ts";
import { type LogLines, logLines } from "./log-lines.ts";
import { type BrokerProxy, startProxy } from "./proxy.ts";

const reconnect = { firstMs: 10, maxMs: 100 };
const SLOW_MS = 60_000;
// Less than what would else be waited for, 10 s.
const LINGER_MS = 5_000;

const isUp = (queue: JobQueue): Promise<boolean> =>
  queue.check().then(
    () => true,
    () => false,
  );

const complaint = (queue: JobQueue): Promise<string> =>
  queue.check().then(
    () => "",
    (error: Error) => error.message,
  );

describe.skipIf(!available())("rabbitmqQueue", () => {
  let broker: Broker;
  let side: BrokerSide;
  let lines: LogLines;
  let name: string;
  const opened: JobQueue[] = [];
  const proxies: BrokerProxy[] = [];

  beforeAll(async () => {
    broker = await startBroker();
    side = brokerSide(broker.url);
  }, 120_000);
  afterAll(() => broker.close(), 120_000);

  beforeEach(() => {
    lines = logLines();
    name = `test.${randomUUID()}`;
  });
  afterEach(async () => {
    for (const queue of opened.splice(0)) await queue.close();
    for (const proxy of proxies.splice(0)) await proxy.shut();
  }, 120_000);

  function open(options: Partial<RabbitmqQueueOptions> = {}): JobQueue {
    const queue = rabbitmqQueue({ url: broker.url, log: lines.log, queue: name, reconnect, ...options });
    opened.push(queue);
    return queue;
  }

  async function proxied(up = true): Promise<BrokerProxy> {
    const proxy = await startProxy(broker.port, up);
    proxies.push(proxy);
    return proxy;
  }

  const through = (proxy: BrokerProxy): string => `amqp://guest:guest@127.0.0.1:${proxy.port}?heartbeat=1`;

  test("opens and takes nudges and consumers while the broker is down, and begins when it comes", async () => {
    const proxy = await proxied(false);
    const queue = open({ url: through(proxy) });
    const gate = createGate();
    await queue.consume(1, gate.work);
    queue.nudge();
    await eventually(async () => (await complaint(queue)).endsWith("refuses the connection"));
    expect(gate.begun).toBe(0);
    await proxy.open();
    // Once because it is connected now, once for the nudge.
    await eventually(() => gate.begun === 2);
    await queue.check();
    expect(lines.count("rabbitmq connected")).toBe(1);
  });

  test("sends one nudge after the reconnection for all that came while the broker was away", async () => {
    const proxy = await proxied(false);
    const queue = open({ url: through(proxy) });
    for (let nudges = 0; nudges < 5; nudges += 1) queue.nudge();
    await proxy.open();
    await eventually(() => isUp(queue));
    await eventually(async () => (await side.count(name)) === 1);
  });

  test("sends one nudge again when the confirmations were lost", async () => {
    const proxy = await proxied();
    const queue = open({ url: through(proxy) });
    await eventually(() => isUp(queue));
    proxy.freeze("toClient");
    for (let nudges = 0; nudges < 3; nudges += 1) queue.nudge();
    await eventually(async () => (await side.count(name)) === 3);
    proxy.cut();
    await eventually(async () => (await side.count(name)) === 4);
  });

  test("keeps at most a thousand nudges unconfirmed", async () => {
    const proxy = await proxied();
    const queue = open({ url: through(proxy) });
    await eventually(() => isUp(queue));
    proxy.freeze("toClient");
    for (let nudges = 0; nudges < 5_000; nudges += 1) queue.nudge();
    await eventually(async () => (await side.count(name)) === 1_000);
    proxy.cut();
    await eventually(async () => (await side.count(name)) === 1_001);
  });

  test("notices a connection that hangs, and delivers what was nudged into it", async () => {
    const proxy = await proxied();
    const queue = open({ url: through(proxy) });
    const gate = createGate();
    await queue.consume(1, gate.work);
    await eventually(() => gate.begun === 1);
    proxy.freeze();
    queue.nudge();
    await eventually(() => gate.begun === 3, 8_000);
    expect(lines.text()).toContain("Heartbeat timeout");
  }, 120_000);

  test("gives up a broker that accepts and then says nothing", async () => {
    const silent = createServer((socket) => socket.on("error", () => {}).resume());
    await new Promise<void>((done) => silent.listen(0, "127.0.0.1", done));
    const address = silent.address();
    const port = typeof address === "object" ? address?.port : 0;
    const queue = open({ url: `amqp://127.0.0.1:${port}`, connectTimeoutMs: 50 });
    await eventually(async () => (await complaint(queue)).includes("does not answer"));
    await queue.close();
    const patient = open({ url: `amqp://127.0.0.1:${port}`, connectTimeoutMs: SLOW_MS });
    await eventually(async () => (await connections(silent)) === 1);
    await patient.close();
    await eventually(async () => (await connections(silent)) === 0);
    silent.close();
  });

  test(
    "survives a restart of the broker while it consumes and publishes, and so do nudges that wait",
    async () => {
      const queue = open();
      const gate = createGate();
      await queue.consume(2, gate.work);
      await eventually(() => gate.begun === 1);
      let unexpected: unknown;
      const traffic = setInterval(() => {
        try {
          queue.nudge();
        } catch (error) {
          unexpected = error;
        }
      }, 1);
      await eventually(() => gate.begun > 10);
      const unread = `${name}.unread`;
      const other = open({ queue: unread, log: logLines().log });
      other.nudge();
      await eventually(async () => (await side.count(unread)) === 1);
      await other.close();
      await broker.restart();
      await eventually(() => isUp(queue), 20_000);
      const before = gate.begun;
      await eventually(() => gate.begun > before + 10);
      clearInterval(traffic);
      expect(await side.count(unread)).toBe(1);
      expect(unexpected).toBeUndefined();
      expect(lines.count("rabbitmq connection lost")).toBe(1);
      expect(lines.count("rabbitmq connected")).toBe(2);
    },
    SLOW_MS,
  );

  test("begins again after the queue was deleted under its consumer", async () => {
    const queue = open();
    const gate = createGate();
    await queue.consume(1, gate.work);
    await eventually(() => gate.begun === 1);
    await side.deleteQueue(name);
    await eventually(() => gate.begun === 2);
    queue.nudge();
    await eventually(() => gate.begun === 3);
    expect(lines.text()).toContain("the broker cancelled the consumer");
  });

  test("declares a deleted queue again when a nudge is returned, and sends that nudge", async () => {
    const queue = open();
    await eventually(() => isUp(queue));
    await side.deleteQueue(name);
    queue.nudge();
    await eventually(async () => (await side.count(name)) === 1);
    expect(lines.text()).toContain("the queue is missing");
  });

  test("begins again after the broker closed the publishing channel", async () => {
    const queue = open();
    await eventually(() => isUp(queue));
    await side.deleteQueue(name);
    // Asking for a queue that is not there is what makes a broker close the channel.
    expect(await complaint(queue)).toContain("does not answer for its queue");
    await eventually(() => isUp(queue));
    queue.nudge();
    await eventually(async () => (await side.count(name)) === 1);
  });

  test("begins again after the broker closed the consuming channel", async () => {
    const proxy = await proxied();
    const queue = open({ url: through(proxy) });
    const gate = createGate();
    await queue.consume(1, gate.work);
    await eventually(() => gate.begun === 1);
    proxy.inject(channelClose(2, 406, "PRECONDITION_FAILED - delivery acknowledgement timed out"));
    await eventually(() => gate.begun === 2);
    queue.nudge();
    await eventually(() => gate.begun === 3);
    expect(lines.text()).toContain("delivery acknowledgement timed out");
  });

  test("moves malformed messages to the dead letters without calling work", async () => {
    const queue = open();
    const gate = createGate();
    await queue.consume(1, gate.work);
    await eventually(() => gate.begun === 1);
    const malformed = ["", "x", "null", '{"v":2}', '{"v":1,"task":7}', `{"v":1${" ".repeat(100)}}`];
    for (const body of malformed) await side.publish(name, body);
    await eventually(async () => (await side.count(`${name}.dead`)) === malformed.length);
    await side.publish(name, '{ "v": 1 }');
    await eventually(() => gate.begun === 2);
    expect(await side.count(name)).toBe(0);
  });

  test("says so when a queue of that name was declared otherwise", async () => {
    await side.declareClassic(name);
    const queue = open();
    await eventually(async () => (await complaint(queue)).includes("PRECONDITION"));
  });

  test("names the refused user and never shows the password", async () => {
    const queue = open({
      url: `amqp://guest:${encodeURIComponent("s3cret/pässword")}@127.0.0.1:${broker.port}`,
    });
    await eventually(async () =>
      (await complaint(queue)).includes("refuses the name or password of user guest"),
    );
    expect(lines.text()).toContain("cannot be reached");
    expect(`${lines.text()}${await complaint(queue)}`).not.toMatch(/s3cret|p%C3%A4ssword|pässword/);
  });

  test("refuses an address that is none without repeating it", () => {
    for (const url of ["amqp://user:s3cret@host:port", "http://user:s3cret@host", "s3cret"]) {
      expect(() => open({ url })).toThrow("must look like");
      expect(() => open({ url })).not.toThrow("s3cret");
    }
  });

  test("acknowledges before stop ends, so that nothing is delivered again", async () => {
    const queue = open();
    const gate = createGate();
    gate.hold();
    const consumer = await queue.consume(1, gate.work);
    await eventually(() => gate.running === 1);
    queue.nudge();
    await eventually(async () => (await side.count(name)) === 0);
    const stopping = consumer.stop();
    gate.release();
    await stopping;
    await eventually(async () => (await side.count(name)) === 1);
    const second = createGate();
    const other = await queue.consume(1, second.work);
    await eventually(() => second.begun === 2);
    await other.stop();
    expect(await side.count(name)).toBe(0);
  });

  test("leaving a channel ends with the connection, whatever the broker has not answered", async () => {
    const proxy = await proxied();
    const lost = Promise.withResolvers<Error>();
    const session = await openSession({
      url: through(proxy),
      name: "test",
      connectTimeoutMs: 5_000,
      setUp: async () => {},
      onLost: lost.resolve,
      abort: new AbortController(),
    });
    const channel = await session.openChannel();
    proxy.freeze("toClient");
    const left = session.closeChannel(channel).then(
      () => "left",
      () => "left",
    );
    proxy.cut();
    await lost.promise;
    expect(await Promise.race([left, Bun.sleep(LINGER_MS)])).toBe("left");
  });

  test.each([
    ["the broker is up", true],
    ["the broker is down", false],
  ])("lets the process end after close when %s", async (_case, up) => {
    const proxy = await proxied(up);
    // Each round stops a little later, so that one is stopped while it begins.
    await endsAfterClose(`
      import pino from "pino";
      import { rabbitmqQueue } from ${JSON.stringify(new URL("../../src/adapters/queue/rabbitmq.ts", import.meta.url).href)};
      for (let round = 0; round < ${up ? 40 : 1}; round++) {
        const queue = rabbitmqQueue({ url: ${JSON.stringify(through(proxy))}, log: pino({ level: "silent" }),
          queue: ${JSON.stringify(name)}, reconnect: { firstMs: ${up ? 10 : 60_000}, maxMs: 60_000 } });
        const state = () => queue.check().then(() => "up", (error) => error.message);
        while (!/^up$|refuses/.test(await state())) await Bun.sleep(5);
        const consumer = await queue.consume(1, async () => {});
        queue.nudge();
        const until = performance.now() + round / 10;
        while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve));
        await consumer.stop();
        await queue.close();
      }
    `);
  });
});

function connections(server: Server): Promise<number> {
  return new Promise((resolve) => server.getConnections((_error, count) => resolve(count)));
}
