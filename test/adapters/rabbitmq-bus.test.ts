import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { MAX_WAITING } from "../../src/adapters/bus/outbox.ts";
import { type RabbitmqBusOptions, rabbitmqBus } from "../../src/adapters/bus/rabbitmq.ts";
import type { Bus, News } from "../../src/domain/core.ts";
import { runCommand } from "../support/command.ts";
import { type HranaServer, startHranaServer } from "../support/hrana-server.ts";
import { available, type Broker, startBroker } from "../support/rabbitmq.ts";
import { temporaryFolder } from "../support/server.ts";
import { type BrokerSide, brokerSide } from "./broker-side.ts";
import { endsAfterClose } from "./ends-after-close.ts";
import { eventually } from "./eventually.ts";
import { channelClose, connectionBlocked, connectionUnblocked, consumerCancel } from "./frames.ts";
import { type LogLines, logLines } from "./log-lines.ts";
import { type BrokerProxy, startProxy } from "./proxy.ts";

const reconnect = { firstMs: 10, maxMs: 100 };
const SLOW_MS = 60_000;
const TOKEN = "database token";

type Node = {
  readonly bus: Bus;
  readonly lines: LogLines;
  /** What it heard since the last `forget`. */
  readonly heard: News[];
  readonly count: (kind: News["kind"]) => number;
  readonly forget: () => void;
};

const complaint = (bus: Bus): Promise<string> =>
  bus.check().then(
    () => "",
    (error: Error) => error.message,
  );

const isUp = async (node: Node): Promise<boolean> => (await complaint(node.bus)) === "";

describe.skipIf(!available())("rabbitmqBus", () => {
  let broker: Broker;
  let side: BrokerSide;
  let exchange: string;
  const opened: Bus[] = [];
  const proxies: BrokerProxy[] = [];

  beforeAll(async () => {
    broker = await startBroker();
    side = brokerSide(broker.url);
  }, 120_000);
  afterAll(() => broker.close(), 120_000);

  beforeEach(() => {
    exchange = `test.${randomUUID()}`;
  });
  afterEach(async () => {
    for (const bus of opened.splice(0)) await bus.close();
    for (const proxy of proxies.splice(0)) await proxy.shut();
  }, 120_000);

  function open(options: Partial<RabbitmqBusOptions> = {}): Node {
    const lines = logLines();
    const bus = rabbitmqBus({ url: broker.url, log: lines.log, exchange, reconnect, ...options });
    opened.push(bus);
    const heard: News[] = [];
    bus.subscribe((news) => heard.push(news));
    return {
      bus,
      lines,
      heard,
      count: (kind) => heard.filter((news) => news.kind === kind).length,
      forget: () => heard.splice(0),
    };
  }

  /** Nodes that are connected, have heard of each other, and remember nothing of it. */
  async function community(...options: Partial<RabbitmqBusOptions>[]): Promise<Node[]> {
    const nodes: Node[] = [];
    for (const option of options) {
      const node = open(option);
      await eventually(() => node.count("missed") === 1);
      nodes.push(node);
      // Each hears from those that came after it.
      await eventually(() => nodes.every(({ count }, index) => count("missed") === nodes.length - index));
    }
    for (const { forget } of nodes) forget();
    return nodes;
  }

  async function pair(first: Partial<RabbitmqBusOptions> = {}): Promise<readonly [Node, Node]> {
    const [a, b] = await community(first, {});
    if (a === undefined || b === undefined) throw new Error("a pair has two");
    return [a, b];
  }

  async function proxied(up = true): Promise<BrokerProxy> {
    const proxy = await startProxy(broker.port, up);
    proxies.push(proxy);
    return proxy;
  }

  const typing = { kind: "typing", roomId: 7, userId: 3, username: "Ada Łovelace 🦉" } as const;
  /** With the heartbeat that we would use, which no test waits for. */
  const patiently = (proxy: BrokerProxy): string => `amqp://guest:guest@127.0.0.1:${proxy.port}`;
  const through = (proxy: BrokerProxy): string => `amqp://guest:guest@127.0.0.1:${proxy.port}?heartbeat=1`;

  /** Each hears the other's nudges. */
  async function flows(a: Node, b: Node): Promise<void> {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const before = to.count("sessions");
      from.bus.publish({ kind: "sessions" }, "others");
      await eventually(() => to.count("sessions") > before);
    }
  }

  test("tells all other nodes of every kind of nudge once, and the own node by itself alone", async () => {
    const [a, b, c] = await community({}, {}, {});
    if (a === undefined || b === undefined || c === undefined) throw new Error("there are three");
    const said = [
      { kind: "messages" },
      { kind: "sessions" },
      { kind: "presence", roomId: 7 },
      typing,
    ] as const;
    for (const nudge of said) a.bus.publish(nudge, "all");
    b.bus.publish({ kind: "presence", roomId: 8 }, "others");
    await eventually(() => c.heard.length === said.length + 1);
    // A queue keeps the order: what c says now comes after anything that came back to whoever said it.
    c.bus.publish({ kind: "presence", roomId: 9 }, "others");
    const last = { kind: "presence", roomId: 9 } as const;
    await eventually(() => [a, b].every(({ heard }) => heard.some((news) => Bun.deepEquals(news, last))));
    expect(a.heard.slice(0, said.length)).toEqual([...said]);
    expect(a.heard.slice(said.length)).toEqual([{ kind: "presence", roomId: 8 }, last]);
    expect(b.heard).toEqual([...said, last]);
    expect(c.heard).toHaveLength(said.length + 1);
  });

  test("is heard by another node within 100 ms", async () => {
    const [a, b] = await pair();
    const took: number[] = [];
    for (let round = 0; round < 50; round += 1) {
      const heard = Promise.withResolvers<number>();
      const end = b.bus.subscribe(() => heard.resolve(performance.now()));
      const start = performance.now();
      a.bus.publish({ kind: "messages" }, "all");
      took.push((await heard.promise) - start);
      end();
      await Bun.sleep(2);
    }
    const median = took.sort((x, y) => x - y)[25] ?? Number.NaN;
    expect(median).toBeLessThan(100);
  });

  test("leaves nothing at the broker that would have to be written to its disk", async () => {
    const [a] = await pair();
    const { messages, close } = await side.tap(exchange);
    a.bus.publish({ kind: "messages" }, "others");
    await eventually(() => messages.length === 1);
    expect(messages[0]?.properties.deliveryMode).not.toBe(2);
    await close();
  });

  test("sends few messages for a hundred thousand nudges, and one after the last", async () => {
    const [a, b] = await pair();
    const { messages, close } = await side.tap(exchange);
    for (let published = 0; published < 100_000; published += 1) {
      // As in life: many in one turn, and many turns.
      if (published % 500 === 0) await new Promise((next) => setImmediate(next));
      a.bus.publish({ kind: "messages" }, "others");
    }
    const before = b.count("messages");
    await eventually(() => b.count("messages") > before);
    a.bus.publish({ kind: "sessions" }, "others");
    await eventually(() => b.count("sessions") === 1 && messages.length >= b.heard.length);
    expect(messages.length).toBeLessThanOrEqual(500);
    expect(a.heard).toEqual([]);
    await close();
  });

  test("says in one message what is published while one is under way, within a bound", async () => {
    const proxy = await proxied();
    const [a, b] = await pair({ url: patiently(proxy) });
    proxy.hold("toClient");
    a.bus.publish({ kind: "messages" }, "others");
    await eventually(() => b.heard.length === 1);
    const { messages, close } = await side.tap(exchange);
    for (let round = 0; round < 20; round += 1) {
      for (let userId = 0; userId < MAX_WAITING; userId += 1) {
        const username = `user ${userId}`;
        a.bus.publish({ kind: "typing", roomId: round, userId, username }, "others");
      }
      a.bus.publish({ kind: "messages" }, "others");
      await Bun.sleep(5);
    }
    expect(messages).toEqual([]);
    proxy.release();
    await eventually(() => b.count("messages") === 2);
    await flows(a, b);
    expect(b.count("typing")).toBe(MAX_WAITING);
    expect(messages.filter(({ content }) => content.includes("typing"))).toHaveLength(1);
    await close();
  });

  test("opens and serves its own listeners while the broker is down, and says missed when it comes", async () => {
    const proxy = await proxied(false);
    const other = open();
    await eventually(() => other.count("missed") === 1);
    const node = open({ url: through(proxy) });
    node.bus.publish({ kind: "messages" }, "all");
    expect(node.heard).toEqual([{ kind: "messages" }]);
    await eventually(async () => (await complaint(node.bus)).endsWith("refuses the connection"));
    await proxy.open();
    await eventually(() => node.count("missed") === 1 && other.count("missed") === 2);
    await flows(node, other);
    // It was dropped: missed is a reason to look at everything.
    expect(other.count("messages")).toBe(0);
  });

  test(
    "says missed to both sides after a restart of the broker, and nudges flow again",
    async () => {
      const [a, b] = await pair();
      let unexpected: unknown;
      const traffic = setInterval(() => {
        try {
          a.bus.publish({ kind: "messages" }, "others");
        } catch (error) {
          unexpected = error;
        }
      }, 1);
      await eventually(() => b.count("messages") > 10);
      await broker.restart();
      await eventually(async () => (await isUp(a)) && (await isUp(b)), 20_000);
      // By its own reconnection, and by the other's if that was the later one.
      await eventually(() => [a, b].every(({ count }) => count("missed") >= 1));
      await eventually(() => a.count("missed") + b.count("missed") >= 3);
      await flows(a, b);
      clearInterval(traffic);
      expect(unexpected).toBeUndefined();
      for (const { lines } of [a, b]) expect(lines.count("rabbitmq connection lost")).toBe(1);
    },
    SLOW_MS,
  );

  test("says missed to both sides when one connection was cut, and keeps telling its own listeners", async () => {
    const proxy = await proxied();
    const [a, b] = await pair({ url: through(proxy) });
    await proxy.shut();
    await eventually(async () => (await complaint(a.bus)).startsWith("not connected to RabbitMQ"));
    for (let published = 0; published < 10; published += 1) a.bus.publish({ kind: "messages" }, "all");
    expect(a.heard).toHaveLength(10);
    a.bus.publish(typing, "others");
    b.bus.publish({ kind: "sessions" }, "others");
    await proxy.open();
    await eventually(() => a.count("missed") === 1 && b.count("missed") === 1);
    expect(a.count("sessions")).toBe(0);
    expect(b.heard).toEqual([{ kind: "missed" }]);
    await flows(a, b);
    expect([a, b].map(({ count }) => count("missed"))).toEqual([1, 1]);
  });

  test("notices a connection that hangs, and drops what waited for it", async () => {
    const proxy = await proxied();
    const [a, b] = await pair({ url: through(proxy) });
    proxy.freeze();
    a.bus.publish({ kind: "messages" }, "others");
    await Bun.sleep(20);
    a.bus.publish(typing, "others");
    await eventually(() => a.count("missed") === 1 && b.count("missed") === 1, 8_000);
    expect(a.lines.text()).toContain("Heartbeat timeout");
    await flows(a, b);
    expect(b.count("typing")).toBe(0);
  }, 120_000);

  test.each([
    ["closed the channel", () => channelClose(1, 406, "PRECONDITION_FAILED - on purpose"), "on purpose"],
    ["cancelled the consumer", () => consumerCancel(1, "bus"), "cancelled the consumer"],
  ])("connects again after the broker %s", async (_case, frame, reason) => {
    const proxy = await proxied();
    const [a, b] = await pair({ url: through(proxy) });
    proxy.inject(frame());
    await eventually(() => a.count("missed") === 1 && b.count("missed") === 1);
    expect(a.lines.text()).toContain(reason);
    await flows(a, b);
  });

  test("comes back by its checks after the exchange was deleted", async () => {
    const [a, b] = await pair();
    await side.deleteExchange(exchange);
    await eventually(async () => {
      const states = await Promise.all([a, b].map(isUp));
      return states.every(Boolean);
    });
    await flows(a, b);
  });

  test("fails its check while the broker is blocked, and says afterwards what was published", async () => {
    const proxy = await proxied();
    const [a, b] = await pair({ url: patiently(proxy) });
    proxy.inject(connectionBlocked("low on memory"));
    await eventually(async () => (await complaint(a.bus)) === "RabbitMQ takes no messages: low on memory");
    // A blocked broker stops to read.
    proxy.hold("toBroker");
    for (const kind of ["messages", "sessions", "messages"] as const) a.bus.publish({ kind }, "others");
    await Bun.sleep(20);
    expect(b.heard).toEqual([]);
    proxy.release();
    proxy.inject(connectionUnblocked());
    await eventually(() => b.heard.length === 2);
    await eventually(() => isUp(a));
    expect(b.heard).toEqual([{ kind: "messages" }, { kind: "sessions" }]);
  });

  test(
    "costs the broker little while it does not read, and others nothing",
    async () => {
      const proxy = await proxied();
      const [stuck, other] = await pair({ url: patiently(proxy) });
      proxy.hold("toClient");
      const total = 1_000;
      await side.broadcast(exchange, "x".repeat(64 * 1024), total);
      const seen = ({ lines }: Node) => lines.count("unknown news on the bus ignored");
      await eventually(() => seen(other) === total, 20_000);
      other.bus.publish({ kind: "messages" }, "others");
      await Bun.sleep(50);
      expect(stuck.heard).toEqual([]);
      proxy.release();
      await eventually(() => stuck.count("messages") === 1, 20_000);
      // What the network and the channel held; the queue dropped its oldest.
      expect(seen(stuck)).toBeLessThan(total - 200);
    },
    SLOW_MS,
  );

  test("ignores what is no news of ours with a line each, and hears the rest", async () => {
    const [a] = await pair();
    const foreign = ["", "x", "{}", '[{"kind":"later"}]', '[{"kind":"presence","roomId":"7"},7]'];
    for (const body of foreign) await side.broadcast(exchange, body);
    await side.broadcast(exchange, '[{"kind":"later"},{"kind":"presence","roomId":7}]');
    await eventually(() => a.heard.length > 0);
    expect(a.heard).toEqual([{ kind: "presence", roomId: 7 }]);
    expect(a.lines.count("unknown news on the bus ignored")).toBe(foreign.length + 1);
    expect(a.lines.count("rabbitmq connection lost")).toBe(0);
  });

  test("keeps its connection when a listener throws", async () => {
    const [a, b] = await pair();
    const end = b.bus.subscribe(() => {
      throw new Error("on purpose");
    });
    await flows(a, b);
    end();
    await flows(a, b);
    expect(b.lines.count("rabbitmq connection lost")).toBe(0);
  });

  test("says so when an exchange of that name was declared otherwise", async () => {
    await side.declareDirect(exchange);
    const { bus } = open();
    await eventually(async () => (await complaint(bus)).includes("PRECONDITION"));
  });

  test("refuses an address that is none without repeating it", () => {
    for (const url of ["amqp://user:s3cret@host:port", "http://user:s3cret@host", "s3cret"]) {
      expect(() => open({ url })).toThrow("must look like");
      expect(() => open({ url })).not.toThrow("s3cret");
    }
  });

  test("still says on closing what was published just before, and nothing later", async () => {
    const [a, b] = await pair();
    a.bus.publish({ kind: "messages" }, "others");
    a.bus.publish({ kind: "presence", roomId: 1 }, "others");
    const closing = a.bus.close();
    a.bus.publish({ kind: "sessions" }, "others");
    await closing;
    await eventually(() => b.count("presence") === 1);
    b.bus.publish({ kind: "messages" }, "all");
    expect(a.heard).toEqual([]);
    expect(b.heard).toEqual([{ kind: "messages" }, { kind: "presence", roomId: 1 }, { kind: "messages" }]);
  });

  describe("a command of the shell, on a libSQL server", () => {
    let folder: ReturnType<typeof temporaryFolder>;
    let database: HranaServer;
    beforeEach(async () => {
      folder = temporaryFolder();
      database = await startHranaServer(join(folder.path, "remote.db"), TOKEN);
    });
    afterEach(async () => {
      await database.close();
      await folder.remove();
    });

    const run = (url: string, args: readonly string[]) =>
      runCommand(args, {
        dataDir: folder.path,
        env: {
          AMQP_URL: url,
          DATABASE_URL: database.url,
          DATABASE_AUTH_TOKEN: TOKEN,
          JWT_SECRET: "the same secret on every node, of 32 bytes or more",
        },
        stdin: "Correct-Horse-1",
      });

    test(
      "tells the nodes to look when it ended sessions, and nothing when it changed nothing",
      async () => {
        exchange = "guildhall.bus.v1";
        const [node] = await community({});
        expect((await run(broker.url, ["user", "add", "ada@example.org", "--password-stdin"])).code).toBe(0);
        expect((await run(broker.url, ["user", "list"])).out).toContain("ada@example.org\tactive");
        expect(await run(broker.url, ["user", "disable", "ada@example.org"])).toEqual({
          code: 0,
          out: "ada is deactivated and signed out everywhere.\n",
          err: "",
        });
        await eventually(() => node?.heard.length === 1, SLOW_MS / 2);
        expect(node?.heard).toEqual([{ kind: "missed" }]);
      },
      SLOW_MS,
    );

    test(
      "is done without the broker, which it misses in one line",
      async () => {
        const proxy = await proxied(false);
        await run(through(proxy), ["user", "add", "ada@example.org", "--password-stdin"]);
        const { code, out, err } = await run(through(proxy), ["user", "disable", "ada@example.org"]);
        expect([code, out]).toEqual([0, "ada is deactivated and signed out everywhere.\n"]);
        expect(err.match(/rabbitmq cannot be reached/g)).toHaveLength(1);
        expect((await run(through(proxy), ["user", "list"])).out).toContain("\tdeactivated\t");
      },
      SLOW_MS,
    );
  });

  test("closes within seconds when the broker says nothing any more", async () => {
    const proxy = await proxied();
    const [a] = await pair({ url: patiently(proxy) });
    proxy.freeze();
    a.bus.publish({ kind: "messages" }, "others");
    const start = performance.now();
    await a.bus.close();
    expect(performance.now() - start).toBeLessThan(8_000);
  });

  test.each([
    ["the broker is up", true],
    ["the broker is down", false],
  ])("lets the process end after close when %s", async (_case, up) => {
    const proxy = await proxied(up);
    await endsAfterClose(`
      import pino from "pino";
      import { rabbitmqBus } from ${JSON.stringify(new URL("../../src/adapters/bus/rabbitmq.ts", import.meta.url).href)};
      const bus = rabbitmqBus({ url: ${JSON.stringify(through(proxy))}, log: pino({ level: "silent" }),
        exchange: ${JSON.stringify(exchange)}, reconnect: { firstMs: ${up ? 10 : 60_000}, maxMs: 60_000 } });
      bus.subscribe(() => {});
      const state = () => bus.check().then(() => "up", (error) => error.message);
      while (!/^up$|refuses/.test(await state())) await Bun.sleep(5);
      bus.publish({ kind: "messages" }, "all");
      await bus.close();
    `);
  });
});
