import { type ConfirmChannel, connect } from "amqplib";

/** What an operator would do at the broker, over a connection of its own. */
export type BrokerSide = {
  publish(queue: string, body: string): Promise<void>;
  /** Messages that are ready, 0 when there is no such queue. */
  count(queue: string): Promise<number>;
  deleteQueue(queue: string): Promise<void>;
  declareClassic(queue: string): Promise<void>;
};

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
  };
}
