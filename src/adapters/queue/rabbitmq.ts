import type { JobQueue } from "../../domain/core.ts";
import type { Log } from "../../log.ts";
import { type Consumer, createConsumer } from "./consumer.ts";
import { NUDGE } from "./nudge.ts";
import { reasonOf } from "./reason.ts";
import { openSession, type Session, within } from "./session.ts";

export type RabbitmqQueueOptions = {
  readonly url: string;
  readonly log: Log;
  /** Its arguments cannot be changed once declared: others need another version in the name. */
  readonly queue?: string;
  /** Delays double from `firstMs` up to `maxMs`, each shortened by chance to as little as a half. */
  readonly reconnect?: { readonly firstMs: number; readonly maxMs: number };
  readonly connectTimeoutMs?: number;
};

type Live = { readonly session: Session; readonly since: number; inFlight: number; progressAt: number };

const MAX_IN_FLIGHT = 1_000;
const CHECK_TIMEOUT_MS = 2_000;
const CONFIRM_LATE_MS = 5_000;
const DRAIN_TIMEOUT_MS = 2_000;
// A session that ends sooner was no success: the delays go on growing.
const STABLE_MS = 10_000;

/**
 * Nudges through RabbitMQ. Reconnection is our own: amqplib's recovery restores no channel and no consumer, and
 * does nothing about a channel that the broker closed. Here the connection and all on it live and fall together.
 */
export function rabbitmqQueue(options: RabbitmqQueueOptions): JobQueue {
  const { log, queue = "guildhall.jobs.v1", connectTimeoutMs = 5_000 } = options;
  const { firstMs, maxMs } = options.reconnect ?? { firstMs: 250, maxMs: 15_000 };
  const url = parseUrl(options.url);
  const consumers = new Set<Consumer>();
  let live: Live | undefined;
  let abort = new AbortController();
  let down = "the first connection is being made";
  let failures = 0;
  let timer: Timer | undefined;
  let closed = false;
  // All nudges say the same, so of those that were not delivered it is enough to know that there are some.
  let owed = false;
  let drained: (() => void) | undefined;

  async function connect(): Promise<void> {
    abort = new AbortController();
    try {
      const session = await openSession({ url, queue, connectTimeoutMs, onLost: lose, abort });
      if (closed) return session.close();
      enter(session);
    } catch (error) {
      if (closed) return;
      down = reasonOf(error, url);
      log[failures === 0 ? "warn" : "debug"]({ reason: down }, "rabbitmq cannot be reached");
      retry();
    }
  }

  function enter(session: Session): void {
    live = { session, since: performance.now(), inFlight: 0, progressAt: 0 };
    log.info({ queue }, "rabbitmq connected");
    session.publisher.on("return", () => {
      owed = true;
      session.fail(new Error("the queue is missing"));
    });
    for (const consumer of consumers) attach(consumer, session);
    settleDebt();
  }

  function lose(reason: Error): void {
    if (live === undefined) return;
    if (performance.now() - live.since > STABLE_MS) failures = 0;
    live = undefined;
    drained?.();
    if (closed) return;
    down = reasonOf(reason, url);
    log.warn({ reason: down }, "rabbitmq connection lost");
    retry();
  }

  function retry(): void {
    const delay = Math.min(maxMs, firstMs * 2 ** Math.min(failures, 20));
    failures += 1;
    timer = setTimeout(connect, delay * (0.5 + Math.random() / 2));
  }

  function attach(consumer: Consumer, session: Session): void {
    consumer.attach(session).catch((error) => session.fail(error));
  }

  function publish(over: Live): void {
    if (over.inFlight === 0) over.progressAt = performance.now();
    over.inFlight += 1;
    const properties = { persistent: true, mandatory: true, contentType: "application/json" };
    try {
      over.session.publisher.publish("", queue, NUDGE, properties, (refused: Error | null) => {
        over.inFlight -= 1;
        over.progressAt = performance.now();
        if (refused === null) settleDebt();
        else refuse(over, refused);
        if (over.inFlight === 0) drained?.();
      });
    } catch (error) {
      over.inFlight -= 1;
      refuse(over, error instanceof Error ? error : new Error(String(error)));
    }
  }

  function refuse(over: Live, reason: Error): void {
    owed = true;
    // In a microtask: when the connection ends, its channels complain first and its own reason comes right after.
    queueMicrotask(() => over.session.fail(reason));
  }

  function settleDebt(): void {
    if (!owed || live === undefined || live.inFlight >= MAX_IN_FLIGHT) return;
    owed = false;
    publish(live);
  }

  void connect();

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
      if (live !== undefined) attach(consumer, live.session);
      return {
        stop() {
          consumers.delete(consumer);
          return consumer.stop();
        },
      };
    },

    async check() {
      if (closed) throw new Error("the queue is closed");
      if (live === undefined) throw new Error(`not connected to RabbitMQ: ${down}`);
      const blocked = live.session.blockedBecause();
      if (blocked !== null) throw new Error(`RabbitMQ takes no messages: ${blocked}`);
      // A queue without a leader still answers for itself, but confirms nothing.
      if (live.inFlight > 0 && performance.now() - live.progressAt > CONFIRM_LATE_MS) {
        throw new Error("RabbitMQ does not confirm messages");
      }
      await within(CHECK_TIMEOUT_MS, live.session.publisher.checkQueue(queue)).catch((error) => {
        throw new Error(`RabbitMQ does not answer for its queue: ${reasonOf(error, url)}`);
      });
    },

    async close() {
      closed = true;
      clearTimeout(timer);
      for (const consumer of consumers) void consumer.stop();
      consumers.clear();
      if (live !== undefined && live.inFlight > 0) {
        const empty = Promise.withResolvers<void>();
        drained = empty.resolve;
        await within(DRAIN_TIMEOUT_MS, empty.promise).catch(() => {});
      }
      await live?.session.close();
      live = undefined;
      abort.abort();
    },
  };
}

/** The driver's own complaint would repeat the URL with its password. */
function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== "amqp:" && url?.protocol !== "amqps:") {
    throw new TypeError("the address of RabbitMQ must look like amqp://user:password@host:5672/vhost");
  }
  return url.href;
}
