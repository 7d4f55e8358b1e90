import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { inProcessBus } from "../../src/adapters/bus/in-process.ts";
import { rabbitmqBus } from "../../src/adapters/bus/rabbitmq.ts";
import type { Bus, News, Nudge } from "../../src/domain/core.ts";
import type { Log } from "../../src/log.ts";
import { available, type Broker, startBroker } from "../support/rabbitmq.ts";
import { eventually } from "./eventually.ts";
import { logLines } from "./log-lines.ts";

type Implementation = {
  readonly name: string;
  readonly skip: boolean;
  readonly isShared: boolean;
  readonly prepare: () => Promise<void>;
  readonly tidy: () => Promise<void>;
  readonly open: (log: Log) => Bus;
};

let broker: Broker | undefined;

const implementations: Implementation[] = [
  {
    name: "inProcessBus",
    skip: false,
    isShared: false,
    prepare: async () => {},
    tidy: async () => {},
    open: (log) => inProcessBus({ log }),
  },
  {
    name: "rabbitmqBus",
    skip: !available(),
    isShared: true,
    prepare: async () => {
      broker = await startBroker();
    },
    tidy: async () => broker?.close(),
    open: (log) => rabbitmqBus({ url: broker?.url ?? "", log, exchange: `contract.${randomUUID()}` }),
  },
];

const nudges: readonly Nudge[] = [
  { kind: "messages" },
  { kind: "sessions" },
  { kind: "presence", roomId: 7 },
  { kind: "typing", roomId: 7, userId: 3, username: "ada" },
];

describe.each(implementations)(
  "$name keeps the promises of a Bus",
  ({ skip, isShared, prepare, tidy, open }) => {
    const opened: Bus[] = [];

    /** It is not connected yet, and must keep every promise to its own listeners nonetheless. */
    function busForTest(log: Log = logLines().log): Bus {
      const bus = open(log);
      opened.push(bus);
      return bus;
    }

    async function connected(): Promise<Bus> {
      const bus = busForTest();
      await eventually(() =>
        bus.check().then(
          () => true,
          () => false,
        ),
      );
      return bus;
    }

    beforeAll(async () => {
      if (!skip) await prepare();
    }, 90_000);
    afterAll(tidy, 120_000);

    afterEach(async () => {
      for (const bus of opened.splice(0)) await bus.close();
    });

    test.skipIf(skip)("says whether there are other nodes", () => {
      expect(busForTest().isShared).toBe(isShared);
    });

    test.skipIf(skip).each([
      ["before it is connected", async () => busForTest()],
      ["when it is connected", connected],
    ])("tells the own listeners of what is for all before the call returns, %s", async (_case, make) => {
      const bus = await make();
      const heard: News[] = [];
      bus.subscribe((news) => heard.push(news));
      for (const nudge of nudges) bus.publish(nudge, "all");
      expect(heard).toEqual([...nudges]);
      bus.publish({ kind: "messages" }, "all");
      bus.publish({ kind: "messages" }, "all");
      expect(heard).toHaveLength(nudges.length + 2);
    });

    test.skipIf(skip)("does not tell the own listeners of what is for others", async () => {
      const bus = await connected();
      const heard: News[] = [];
      bus.subscribe((news) => heard.push(news));
      for (const nudge of nudges) bus.publish(nudge, "others");
      expect(heard).toEqual([]);
    });

    test.skipIf(skip)("tells a listener nothing more once it has ended, also by the listener itself", () => {
      const bus = busForTest();
      const heard: string[] = [];
      const end = bus.subscribe(() => {
        heard.push("once");
        end();
      });
      const endOther = bus.subscribe(() => heard.push("other"));
      bus.publish({ kind: "messages" }, "all");
      bus.publish({ kind: "messages" }, "all");
      endOther();
      endOther();
      bus.publish({ kind: "messages" }, "all");
      expect(heard).toEqual(["once", "other", "other"]);
    });

    test.skipIf(skip)("takes the same function twice and ends each by itself", () => {
      const bus = busForTest();
      let calls = 0;
      const listener = () => {
        calls += 1;
      };
      const ends = [bus.subscribe(listener), bus.subscribe(listener)];
      bus.publish({ kind: "messages" }, "all");
      expect(calls).toBe(2);
      ends[0]?.();
      bus.publish({ kind: "messages" }, "all");
      expect(calls).toBe(3);
    });

    test.skipIf(skip)("lets a listener publish", () => {
      const bus = busForTest();
      const heard: string[] = [];
      bus.subscribe(({ kind }) => {
        heard.push(kind);
        if (kind === "sessions") bus.publish({ kind: "messages" }, "all");
      });
      bus.publish({ kind: "sessions" }, "all");
      expect(heard).toEqual(["sessions", "messages"]);
    });

    test.skipIf(skip)("does not throw when a listener does, tells the others, and logs it", () => {
      const lines = logLines();
      const bus = busForTest(lines.log);
      const heard: News[] = [];
      bus.subscribe(() => {
        throw new Error("on purpose");
      });
      bus.subscribe((news) => heard.push(news));
      bus.publish({ kind: "messages" }, "all");
      expect(heard).toEqual([{ kind: "messages" }]);
      expect(lines.count("a listener of the bus failed")).toBe(1);
    });

    test.skipIf(skip)("passes its check when nudges flow, and fails it once closed", async () => {
      const bus = await connected();
      await bus.check();
      await bus.close();
      await expect(bus.check()).rejects.toThrow("closed");
    });

    test.skipIf(skip)("is silent once closed, and may be closed twice", async () => {
      const bus = await connected();
      const heard: News[] = [];
      bus.subscribe((news) => heard.push(news));
      await bus.close();
      bus.subscribe((news) => heard.push(news))();
      bus.subscribe((news) => heard.push(news));
      for (const to of ["all", "others"] as const) bus.publish({ kind: "messages" }, to);
      await bus.close();
      expect(heard).toEqual([]);
    });
  },
);
