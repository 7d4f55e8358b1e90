import { describe, expect, test } from "bun:test";
import { lanes } from "../../src/adapters/queue/lanes.ts";
import { reasonOf } from "../../src/adapters/rabbitmq/reason.ts";
import { createGate } from "./gate.ts";

describe("lanes", () => {
  test("answers true after a call that began later, and false to who waits when it stops", async () => {
    const gate = createGate();
    const two = lanes(2, gate.work, () => {});
    expect(await two.run()).toBe(true);
    gate.hold();
    const running = [two.run(), two.run()];
    const waiting = [two.run(), two.run(), two.run()];
    const stopping = two.stop();
    expect(await Promise.all(waiting)).toEqual([false, false, false]);
    expect(await two.run()).toBe(false);
    gate.release();
    await stopping;
    expect(await Promise.all(running)).toEqual([true, true]);
    expect(gate.begun).toBe(3);
  });

  test("tells of failures", async () => {
    const failures: unknown[] = [];
    const failing = lanes(
      1,
      () => Promise.reject(new Error("on purpose")),
      (error) => failures.push(error),
    );
    expect(await failing.run()).toBe(true);
    expect(failures).toEqual([new Error("on purpose")]);
  });
});

describe("reasonOf", () => {
  test.each([
    ["amqp://user:s%20ecret@host", "s%20ecret and s ecret", "*** and ***"],
    ["amqp://user:100%@host", "100% sure", "*** sure"],
    ["amqp://host", "as it is", "as it is"],
  ])("leaves no password of %s in %j", (url, message, wanted) => {
    expect(reasonOf(new Error(message), url)).toBe(wanted);
  });

  test("says which host is unknown", () => {
    const error = Object.assign(new Error("getaddrinfo ENOTFOUND"), { code: "ENOTFOUND" });
    expect(reasonOf(error, "amqp://user:secret@host:1")).toBe("host:1 is an unknown host name");
  });
});
