import type { ConfirmChannel } from "amqplib";
import type { JobQueue } from "../../domain/core.ts";
import type { Log } from "../../log.ts";
import { openLink, type Reconnect } from "../rabbitmq/link.ts";
import type { Message, Session } from "../rabbitmq/session.ts";
import { type Consumer, createConsumer } from "./consumer.ts";
import { NUDGE } from "./nudge.ts";

export type RabbitmqQueueOptions = {
  readonly url: string;
  readonly log: Log;
  /** Its arguments cannot be changed once declared: others need another version in the name. */
  readonly queue?: string;
  readonly reconnect?: Reconnect;
  readonly connectTimeoutMs?: number;
};

const MAX_IN_FLIGHT = 1_000;
const DRAIN_TIMEOUT_MS = 2_000;
// What was malformed is kept for a look, not for ever.
const DEAD_LETTERS = 10_000;

const MESSAGE: Message = {
  content: NUDGE,
  properties: { persistent: true, mandatory: true, contentType: "application/json" },
};

/** Nudges through RabbitMQ. */
export function rabbitmqQueue(options: RabbitmqQueueOptions): JobQueue {
  const { queue = "guildhall.jobs.v1" } = options;
  const log = options.log.child({ queue });
  const consumers = new Set<Consumer>();
  let session: Session | undefined;
  let closed = false;
  // All nudges say the same, so of those that were not delivered it is enough to know that there are some.
  let owed = false;

  const link = openLink({
    url: options.url,
    name: "guildhall jobs",
    log,
    reconnect: options.reconnect,
    connectTimeoutMs: options.connectTimeoutMs,
    setUp: (channel) => declare(channel, queue),
    onUp: enter,
    onDown() {
      session = undefined;
    },
  });

  function enter(opened: Session): void {
    session = opened;
    opened.channel.on("return", () => {
      owed = true;
      opened.fail(new Error("the queue is missing"));
    });
    for (const consumer of consumers) attach(consumer, opened);
    settleDebt();
  }

  function attach(consumer: Consumer, to: Session): void {
    consumer.attach(to).catch((error) => to.fail(error));
  }

  function settleDebt(): void {
    if (!owed || session === undefined || session.unconfirmed >= MAX_IN_FLIGHT) return;
    owed = false;
    session.send("", queue, MESSAGE, (refused) => {
      if (refused === null) settleDebt();
      else owed = true;
    });
  }

  return {
    nudge() {
      if (closed) return;
      owed = true;
      settleDebt();
    },

    async consume(concurrency, work) {
      if (closed) throw new Error("the queue is closed");
      const consumer = createConsumer({ queue, concurrency, work, log });
      consumers.add(consumer);
      if (session !== undefined) attach(consumer, session);
      return {
        stop() {
          consumers.delete(consumer);
          return consumer.stop();
        },
      };
    },

    async check() {
      if (closed) throw new Error("the queue is closed");
      await link.check("its queue", (channel) => channel.checkQueue(queue));
    },

    async close() {
      closed = true;
      for (const consumer of consumers) void consumer.stop();
      consumers.clear();
      await link.close(DRAIN_TIMEOUT_MS);
      session = undefined;
    },
  };
}

async function declare(channel: ConfirmChannel, queue: string): Promise<void> {
  const dead = `${queue}.dead`;
  await channel.assertExchange(dead, "fanout", { durable: true });
  await channel.assertQueue(dead, {
    durable: true,
    arguments: { "x-queue-type": "quorum", "x-max-length": DEAD_LETTERS },
  });
  await channel.bindQueue(dead, dead, "");
  await channel.assertQueue(queue, {
    durable: true,
    arguments: { "x-queue-type": "quorum", "x-dead-letter-exchange": dead },
  });
}
