import type { Channel, ConsumeMessage } from "amqplib";
import type { Log } from "../../log.ts";
import { type Session, within } from "../rabbitmq/session.ts";
import { lanes } from "./lanes.ts";
import { isNudge } from "./nudge.ts";

export type Consumer = {
  /** Consumes over this session until it is lost; rejects when that cannot be begun. */
  attach(session: Session): Promise<void>;
  /** Resolves when the running calls have ended and are acknowledged. */
  stop(): Promise<void>;
};

export type ConsumerOptions = {
  readonly queue: string;
  readonly concurrency: number;
  readonly work: () => Promise<void>;
  readonly log: Log;
};

const ANSWER_TIMEOUT_MS = 2_000;
const ATTACH_TIMEOUT_MS = 10_000;

/** Calls `work` for the messages of the queue, over one session after the other. */
export function createConsumer({ queue, concurrency, work, log }: ConsumerOptions): Consumer {
  const runs = lanes(concurrency, work, (error) => log.error({ err: error }, "work failed"));
  const unsettled = new Set<Promise<void>>();
  let stopped = false;
  let current: { session: Session; channel: Channel; tag: string } | undefined;

  function receive(session: Session, channel: Channel, message: ConsumeMessage | null): void {
    if (message === null) {
      session.fail(new Error("the broker cancelled the consumer"));
      return;
    }
    if (!isNudge(message.content)) {
      log.warn({ bytes: message.content.length }, "malformed message moved to the dead letters");
      channel.reject(message, false);
      return;
    }
    const settled = runs
      .run()
      .then((ran) => {
        if (ran) channel.ack(message);
      })
      // The channel may be gone by now: then the broker delivers the nudge once more, which is harmless.
      .catch(() => {})
      .finally(() => unsettled.delete(settled));
    unsettled.add(settled);
  }

  async function subscribe(session: Session): Promise<void> {
    const channel = await session.openChannel();
    await channel.prefetch(concurrency);
    const { consumerTag } = await channel.consume(queue, (message) => receive(session, channel, message));
    if (stopped) return session.closeChannel(channel);
    current = { session, channel, tag: consumerTag };
    // What was nudged while we were away may have reached nobody.
    void runs.run();
  }

  return {
    attach: (session) => within(ATTACH_TIMEOUT_MS, subscribe(session)),

    async stop() {
      stopped = true;
      const ended = runs.stop();
      const last = current;
      if (last !== undefined) await quietly(last.channel.cancel(last.tag));
      await ended;
      await Promise.all(unsettled);
      // Waits for the broker, so that the acknowledgements before it have arrived.
      if (last !== undefined) await quietly(last.session.closeChannel(last.channel));
    },
  };
}

/** On a lost session these fail, and there is nothing left to do. */
async function quietly(answer: Promise<unknown>): Promise<void> {
  await within(ANSWER_TIMEOUT_MS, answer).catch(() => {});
}
