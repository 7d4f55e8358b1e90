import { type ConfirmChannel, type ConsumeMessage, connect } from "amqplib";

/** What an operator would do at the broker, over a connection of its own. */
export type BrokerSide = {
  publish(queue: string, body: string): Promise<void>;
  /** Messages that are ready, 0 when there is no such queue. */
  count(queue: string): Promise<number>;
  deleteQueue(queue: string): Promise<void>;
  declareClassic(queue: string): Promise<void>;
  /** The same message so many times to all queues of an exchange. */
  broadcast(exchange: string, body: string, times?: number): Promise<void>;
  /** Everything that comes over an exchange from now on. */
  tap(exchange: string): Promise<{ readonly messages: readonly ConsumeMessage[]; close(): Promise<void> }>;
  deleteExchange(exchange: string): Promise<void>;
  declareDirect(exchange: string): Promise<void>;
};

const CONFIRM_EVERY = 50;

export function brokerSide(url: string): BrokerSide {
  async function using<T>(act: (channel: ConfirmChannel) => Promise<T>): Promise<T> {
    const connection = await connect(url);
    connection.on("error", () => {});
    try {
      const channel = await connection.createConfirmChannel();
      channel.on("error", () => {});
      return await act(channel);
    } finally {
      await connection.close().catch(() => {});
    }
  }

  return {
    publish: (queue, body) =>
      using(async (channel) => {
        channel.sendToQueue(queue, Buffer.from(body), { persistent: true });
        await channel.waitForConfirms();
      }),
    count: (queue) =>
      using((channel) =>
        channel.checkQueue(queue).then(
          (found) => found.messageCount,
          () => 0,
        ),
      ),
    deleteQueue: (queue) =>
      using(async (channel) => {
        await channel.deleteQueue(queue);
      }),
    declareClassic: (queue) =>
      using(async (channel) => {
        await channel.assertQueue(queue, { durable: true });
      }),
    broadcast: (exchange, body, times = 1) =>
      using(async (channel) => {
        const content = Buffer.from(body);
        for (let sent = 1; sent <= times; sent += 1) {
          channel.publish(exchange, "", content);
          if (sent % CONFIRM_EVERY === 0) await channel.waitForConfirms();
        }
        await channel.waitForConfirms();
      }),
    async tap(exchange) {
      const connection = await connect(url);
      const channel = await connection.createChannel();
      const { queue } = await channel.assertQueue("", { exclusive: true, durable: false });
      await channel.bindQueue(queue, exchange, "");
      const messages: ConsumeMessage[] = [];
      await channel.consume(queue, (message) => message !== null && messages.push(message), { noAck: true });
      return { messages, close: () => connection.close() };
    },
    deleteExchange: (exchange) =>
      using(async (channel) => {
        await channel.deleteExchange(exchange);
      }),
    declareDirect: (exchange) =>
      using(async (channel) => {
        await channel.assertExchange(exchange, "direct", { durable: true });
      }),
  };
}
