import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import pino from "pino";
import { embeddedQueue } from "../../src/adapters/queue/embedded.ts";
import { rabbitmqQueue } from "../../src/adapters/queue/rabbitmq.ts";
import type { JobQueue } from "../../src/domain/core.ts";
import { available, type Broker, startBroker } from "../support/rabbitmq.ts";
import { eventually } from "./eventually.ts";
import { createGate } from "./gate.ts";

type Implementation = {
  readonly name: string;
  readonly skip: boolean;
  readonly prepare: () => Promise<void>;
  readonly tidy: () => Promise<void>;
  readonly open: () => JobQueue;
  /** How many calls `count` nudges may cause while the only call is held up. */
  readonly most: (count: number) => number;
};

const log = pino({ level: "silent" });
let broker: Broker | undefined;

const implementations: Implementation[] = [
  {
    name: "embeddedQueue",
    skip: false,
    prepare: async () => {},
    tidy: async () => {},
    open: () => embeddedQueue(),
    most: () => 1,
  },
  {
    name: "rabbitmqQueue",
    skip: !available(),
    prepare: async () => {
      broker = await startBroker();
    },
    tidy: async () => broker?.close(),
    open: () => rabbitmqQueue({ url: broker?.url ?? "", log, queue: `contract.${randomUUID()}` }),
    most: (count) => count,
  },
];

describe.each(implementations)(
  "$name keeps the promises of a JobQueue",
  ({ skip, prepare, tidy, open, most }) => {
    const opened: JobQueue[] = [];

    function queueForTest(): JobQueue {
      const queue = open();
      opened.push(queue);
      return queue;
    }

    beforeAll(async () => {
      if (!skip) await prepare();
    }, 90_000);
    afterAll(tidy, 120_000);

    afterEach(async () => {
      for (const queue of opened.splice(0)) await queue.close();
    });

    test.skipIf(skip)("calls work once when it begins", async () => {
      const queue = queueForTest();
      const gate = createGate();
      await queue.consume(1, gate.work);
      await eventually(() => gate.begun === 1);
    });

    test.skipIf(skip)("calls work after each nudge", async () => {
      const queue = queueForTest();
      const gate = createGate();
      await queue.consume(1, gate.work);
      await eventually(() => gate.begun === 1);
      for (const calls of [2, 3, 4]) {
        queue.nudge();
        await eventually(() => gate.begun === calls && gate.running === 0);
      }
    });

    test.skipIf(skip)(
      "lets nudges share a call while all calls are taken, but begins one after the last",
      async () => {
        const queue = queueForTest();
        const gate = createGate();
        gate.hold();
        await queue.consume(1, gate.work);
        await eventually(() => gate.begun === 1);
        for (let nudges = 0; nudges < 50; nudges += 1) queue.nudge();
        gate.release();
        await eventually(() => gate.begun >= 2 && gate.running === 0);
        // A nudge from another turn is answered after all that came before it.
        const before = gate.begun;
        queue.nudge();
        await eventually(() => gate.begun > before && gate.running === 0);
        expect(gate.begun).toBeLessThanOrEqual(1 + most(50) + 1);
      },
    );

    test.skipIf(skip)("makes as many calls at a time as it may, and no more", async () => {
      const queue = queueForTest();
      const gate = createGate();
      gate.hold();
      await queue.consume(3, gate.work);
      await eventually(() => gate.running === 1);
      for (let nudges = 0; nudges < 20; nudges += 1) queue.nudge();
      await eventually(() => gate.running === 3);
      gate.release();
      await eventually(() => gate.begun > 3 && gate.running === 0);
      expect(gate.mostAtOnce).toBe(3);
    });

    test.skipIf(skip)("goes on after work that throws or rejects", async () => {
      const queue = queueForTest();
      let calls = 0;
      await queue.consume(1, () => {
        calls += 1;
        if (calls === 1) throw new Error("thrown on purpose");
        return calls === 2 ? Promise.reject(new Error("rejected on purpose")) : Promise.resolve();
      });
      await eventually(() => calls === 1);
      queue.nudge();
      await eventually(() => calls === 2);
      queue.nudge();
      await eventually(() => calls === 3);
    });

    test.skipIf(skip)("stops after the running call and takes no further nudge", async () => {
      const queue = queueForTest();
      const gate = createGate();
      gate.hold();
      const consumer = await queue.consume(1, gate.work);
      await eventually(() => gate.running === 1);
      let stopped = false;
      const stopping = consumer.stop().then(() => {
        stopped = true;
      });
      queue.nudge();
      const other = createGate();
      await queue.consume(1, other.work);
      await eventually(() => other.begun > 0);
      expect(stopped).toBe(false);
      gate.release();
      await stopping;
      queue.nudge();
      const seen = other.begun;
      queue.nudge();
      await eventually(() => other.begun > seen);
      expect(gate.begun).toBe(1);
    });

    test.skipIf(skip)("passes its check when nudges flow, and fails it once closed", async () => {
      const queue = queueForTest();
      await eventually(() =>
        queue.check().then(
          () => true,
          () => false,
        ),
      );
      await queue.close();
      await expect(queue.check()).rejects.toThrow("closed");
    });

    test.skipIf(skip)(
      "ignores nudges and refuses consumers once closed, and may be closed twice",
      async () => {
        const queue = queueForTest();
        const gate = createGate();
        await queue.consume(1, gate.work);
        await eventually(() => gate.begun === 1);
        await queue.close();
        queue.nudge();
        await queue.close();
        await expect(queue.consume(1, gate.work)).rejects.toThrow("closed");
        expect(gate.begun).toBe(1);
      },
    );
  },
);

describe("embeddedQueue with pollMs", () => {
  test("calls work without any nudge until the consumer stops, and the others' further on", async () => {
    const queue = embeddedQueue({ pollMs: 1 });
    const stopped = createGate();
    const other = createGate();
    const consumer = await queue.consume(1, stopped.work);
    const rest = await queue.consume(1, other.work);
    await eventually(() => stopped.begun >= 5);
    await consumer.stop();
    const last = stopped.begun;
    const before = other.begun;
    await eventually(() => other.begun >= before + 5);
    expect(stopped.begun).toBe(last);
    await rest.stop();
    const third = createGate();
    await queue.consume(1, third.work);
    await eventually(() => third.begun >= 5);
    await queue.close();
    const closed = third.begun;
    await Bun.sleep(5);
    expect(third.begun).toBe(closed);
  });
});
