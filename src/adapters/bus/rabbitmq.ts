import { randomUUID } from "node:crypto";
import type { ConfirmChannel, ConsumeMessage, Options } from "amqplib";
import type { Bus } from "../../domain/core.ts";
import type { Log } from "../../log.ts";
import { openLink, type Reconnect } from "../rabbitmq/link.ts";
import type { Session } from "../rabbitmq/session.ts";
import { createListeners } from "./listeners.ts";
import { createOutbox } from "./outbox.ts";
import { decode, encode } from "./wire.ts";

export type RabbitmqBusOptions = {
  readonly url: string;
  readonly log: Log;
  /** All nodes of one community have the same; what is said over it goes with the version in the name. */
  readonly exchange?: string;
  readonly reconnect?: Reconnect;
  readonly connectTimeoutMs?: number;
};

// With the round trip to the broker this bounds what we say to 500 messages a second, however much is published.
const REST_MS = 2;
const DRAIN_TIMEOUT_MS = 250;

/**
 * The queue of one node, which the broker deletes with the connection. A node that is stuck costs the broker no more
 * than this: the oldest nudges go, and a node looks by itself more often than they live.
 */
const QUEUE: Options.AssertQueue = {
  exclusive: true,
  autoDelete: true,
  durable: false,
  messageTtl: 10_000,
  maxLength: 1_000,
  arguments: { "x-max-length-bytes": 1024 * 1024 },
};

/** Nudges over a fanout exchange of RabbitMQ: every node hears the others, and itself without the broker. */
export function rabbitmqBus(options: RabbitmqBusOptions): Bus {
  const { exchange = "guildhall.bus.v1" } = options;
  const log = options.log.child({ exchange });
  const node = randomUUID();
  const properties: Options.Publish = { persistent: false, contentType: "application/json", appId: node };
  const listeners = createListeners(log);
  const outbox = createOutbox();
  let session: Session | undefined;
  let queue = "";
  let closed = false;
  let timer: Timer | undefined;
  let flushComes = false;
  let flushedAt = 0;

  const link = openLink({
    url: options.url,
    name: "guildhall bus",
    log,
    reconnect: options.reconnect,
    connectTimeoutMs: options.connectTimeoutMs,
    setUp,
    onUp(opened) {
      session = opened;
      // What we said meanwhile was dropped, and so was what the others said to us.
      outbox.add({ kind: "missed" });
      flushSoon();
      listeners.tell({ kind: "missed" });
    },
    onDown() {
      session = undefined;
      outbox.take();
    },
  });

  async function setUp(channel: ConfirmChannel, fail: Session["fail"]): Promise<void> {
    await channel.assertExchange(exchange, "fanout", { durable: true });
    ({ queue } = await channel.assertQueue("", QUEUE));
    await channel.bindQueue(queue, exchange, "");
    const receive = (message: ConsumeMessage | null) => {
      if (message === null) fail(new Error("the broker cancelled the consumer"));
      else hear(message);
    };
    await channel.consume(queue, receive, { noAck: true, consumerTag: "bus" });
  }

  function hear({ properties, content }: ConsumeMessage): void {
    if (properties.appId === node) return;
    const { news, ignored } = decode(content);
    if (ignored > 0) log.debug({ bytes: content.length, ignored }, "unknown news on the bus ignored");
    for (const item of news) listeners.tell(item);
  }

  /**
   * One message is under way at a time: what is published until the broker has it waits in the outbox, whose size is
   * bounded as the driver's buffer is not.
   */
  function flushSoon(): void {
    if (flushComes || session === undefined || session.unconfirmed > 0) return;
    flushComes = true;
    if (performance.now() - flushedAt >= REST_MS) setImmediate(flush);
    else timer = setTimeout(flush, REST_MS);
  }

  function flush(): void {
    flushComes = false;
    if (session === undefined || outbox.isEmpty()) return;
    flushedAt = performance.now();
    session.send(exchange, "", { content: encode(outbox.take()), properties }, (refused) => {
      if (refused === null && !outbox.isEmpty()) flushSoon();
    });
  }

  return {
    isShared: true,

    publish(nudge, to) {
      if (to === "all") listeners.tell(nudge);
      if (session === undefined || closed) return;
      outbox.add(nudge);
      flushSoon();
    },

    subscribe: (listener) => (closed ? () => {} : listeners.add(listener)),

    async check() {
      if (closed) throw new Error("the bus is closed");
      // Binding again changes nothing, unless somebody at the broker removed what it needs.
      await link.check("its exchange", (channel) => channel.bindQueue(queue, exchange, ""));
    },

    async close() {
      closed = true;
      listeners.clear();
      clearTimeout(timer);
      flush();
      await link.close(DRAIN_TIMEOUT_MS);
      session = undefined;
    },
  };
}
