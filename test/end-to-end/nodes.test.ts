import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { eventually } from "../adapters/eventually.ts";
import { openSocket } from "../support/chat.ts";
import { available } from "../support/rabbitmq.ts";
import { type ScaledForm, startScaledForm } from "../support/scaled-form.ts";
import type { RunningServer } from "../support/server.ts";
import { ask, download, signUp } from "../support/walk.ts";

const ROOT = join(import.meta.dir, "../..");
const PASSWORD = "Rahasia-123";
const TASKS = 30;
const LOOK_EVERY_MS = 2_000;
// For a machine that does other things as well.
const SLACK_MS = 4_000;
/** A nudge takes far less, and a look twice as long on average. */
const NUDGED_MS = 500;

type Account = { readonly id: string; readonly email: string };

describe.skipIf(!available())("what holds across two nodes", () => {
  let form: ScaledForm;
  let a: RunningServer;
  let b: RunningServer;
  let addresses = 0;
  beforeAll(async () => {
    form = await startScaledForm({
      RATE_LIMIT: "on",
      RATE_LIMIT_REQUESTS: "1000000/1m",
      TRUST_PROXY: "127.0.0.1",
    });
    [a, b] = await Promise.all([form.node("a"), form.node("b")]);
  }, 120_000);
  afterAll(() => form?.close(), 120_000);

  /** Each caller has an address of its own. */
  const from = (address = newAddress()) => ({ "X-Forwarded-For": address });
  const newAddress = () => `198.51.100.${++addresses}`;
  const both = (count: number): RunningServer => (count % 2 === 0 ? a : b);

  async function register(name: string): Promise<Account> {
    const email = `${name}@example.org`;
    const body = { email, username: name, full_name: name, password: PASSWORD, confirm_password: PASSWORD };
    const { status, body: made } = await a.call("POST", "/api/auth/register", { body, headers: from() });
    expect([status, made.error]).toEqual([201, undefined]);
    return { id: made.data.id, email };
  }

  async function tokenOf({ email }: Account, node = a): Promise<string> {
    const body = { email, password: PASSWORD };
    const { status, body: signedIn } = await node.call("POST", "/api/auth/login", { body, headers: from() });
    expect(status).toBe(200);
    return signedIn.access_token ?? signedIn.data.access_token;
  }

  describe("limits that guard accounts", () => {
    /** The statuses of so many tries of one address, at both nodes in turn. */
    async function tries(count: number, path: string, bodyOf: (count: number) => unknown): Promise<number[]> {
      const headers = from();
      const statuses: number[] = [];
      for (let at = 0; at < count; at++) {
        const { status } = await both(at).call("POST", path, { body: bodyOf(at), headers });
        statuses.push(status);
      }
      return statuses;
    }

    test("sign-in: ten tries of one address, whichever node it asks", async () => {
      const bodyOf = (count: number) => ({ email: `nobody${count}@example.org`, password: "wrong" });
      const statuses = await tries(12, "/api/auth/login", bodyOf);
      expect(statuses).toEqual([...Array<number>(10).fill(401), 429, 429]);
    });

    test("registration: three of one address", async () => {
      const bodyOf = (count: number) => ({
        username: `new${count}`,
        email: `new${count}@example.org`,
        sex: "x",
      });
      expect(await tries(5, "/api/auth/register", bodyOf)).toEqual([200, 200, 200, 429, 429]);
    });

    test("forgotten passwords: three of one address", async () => {
      const statuses = await tries(5, "/api/auth/forgot-password", (count) => ({
        email: `x${count}@example.org`,
      }));
      expect(statuses).toEqual([200, 200, 200, 429, 429]);
    });

    test("failures of one account make its next try wait on the other node, and the owner still gets in", async () => {
      const ann = await register("ann");
      const wrong = { email: ann.email, password: "wrong" };
      for (let count = 0; count < 10; count++) {
        const { status } = await a.call("POST", "/api/auth/login", { body: wrong, headers: from() });
        expect(status).toBe(401);
      }
      const asked = performance.now();
      await tokenOf(ann, b);
      expect(performance.now() - asked).toBeGreaterThan(990);
    }, 120_000);
  });

  test("all else is counted by each node for itself", async () => {
    const node = await form.node("c", { env: { RATE_LIMIT_REQUESTS: "3/1m" } });
    const headers = from();
    const statuses: number[] = [];
    for (let count = 0; count < 4; count++) {
      statuses.push((await node.call("GET", "/users?limit=1", { headers })).status);
    }
    expect(statuses).toEqual([200, 200, 200, 429]);
    expect((await a.call("GET", "/users?limit=1", { headers })).status).toBe(200);
    expect(await node.stop()).toBe(0);
  });

  describe.each(["healthy", "hanging", "down"])("with a %s broker", (state) => {
    let admin: Account;
    let member: Account;
    beforeAll(async () => {
      admin = await register(`admin-${state}`);
      member = await register(`member-${state}`);
      await grantAdmin(admin);
      if (state === "hanging") form.way.freeze();
      if (state === "down") await form.way.shut();
    }, 120_000);
    afterAll(async () => {
      if (state === "hanging") form.way.cut();
      if (state === "down") await form.way.open();
      for (const node of [a, b]) {
        await eventually(async () => (await node.call("GET", "/readyz")).status === 200, 30_000, 50);
      }
    }, 120_000);

    async function grantAdmin({ email }: Account): Promise<void> {
      const child = Bun.spawn(["bun", "src/main.ts", "user", "grant", email, "admin"], {
        cwd: ROOT,
        env: { PATH: process.env.PATH ?? "", DATA_DIR: `${form.databaseFile}-tool`, ...form.env },
        stdout: "ignore",
        stderr: "inherit",
      });
      expect(await child.exited).toBe(0);
    }

    const me = (node: RunningServer, token: string) => node.call("GET", "/api/users/me", { token });

    test("a session that ends on one node is refused by the other with the next request", async () => {
      for (let count = 0; count < 10; count++) {
        const token = await tokenOf(member, both(count));
        const [ending, other] = [both(count), both(count + 1)];
        // The other node is asked all the time, so that whatever it may remember it does.
        let isOver = false;
        const asking = Array.from({ length: 4 }, async () => {
          while (!isOver) await me(other, token);
        });
        expect((await me(other, token)).status).toBe(200);
        expect((await ending.call("POST", "/api/auth/logout", { token })).status).toBeLessThan(300);
        const statuses = [(await me(ending, token)).status, (await me(other, token)).status];
        isOver = true;
        await Promise.all(asking);
        expect(statuses).toEqual([401, 401]);
      }
    }, 120_000);

    test("what is changed through one node is read through the other with the next request", async () => {
      const token = await tokenOf(member);
      for (let count = 0; count < 10; count++) {
        const body = { location: `place ${count}` };
        const changed = await both(count).call("PUT", `/api/users/${member.id}`, { token, body });
        expect(changed.status).toBe(200);
        const read = await me(both(count + 1), token);
        expect((read.body.data ?? read.body).location).toBe(`place ${count}`);
      }
    }, 120_000);

    test("a role that is taken through one node is gone on the other with the next request", async () => {
      const [token, other] = [await tokenOf(admin), await register(`other-${state}`)];
      await grantAdmin(other);
      const theirs = await tokenOf(other, b);
      expect((await b.call("GET", "/api/users", { token: theirs })).status).toBe(200);
      const path = `/api/admin/users/${other.id}/roles`;
      expect((await a.call("PUT", path, { token, body: { ids: [] } })).status).toBe(200);
      expect((await b.call("GET", "/api/users", { token: theirs })).status).toBe(403);
    }, 120_000);

    test("sockets on the other node close within the look of two seconds, and sooner by the bus", async () => {
      const owner = await tokenOf(member);
      const room = `room-${state}`;
      const body = { id: room, name: "room" };
      expect((await a.call("POST", "/ws/create-room", { token: owner, body })).status).toBe(200);
      const taken: number[] = [];
      for (let count = 0; count < 3; count++) {
        const token = await tokenOf(member);
        const socket = await openSocket(b.url, room, {
          v1: true,
          headers: { Authorization: `Bearer ${token}` },
        });
        await socket.waitFor(({ type }) => type === "welcome");
        const asked = performance.now();
        await a.call("POST", "/api/auth/logout", { token });
        expect((await socket.closed).code).toBe(4001);
        taken.push(performance.now() - asked);
      }
      const [, median = 0, most = 0] = taken.sort((x, y) => x - y);
      console.log(`nodes: ${state} broker: closed after ${taken.map(Math.round).join(", ")} ms`);
      expect(most).toBeLessThan(LOOK_EVERY_MS + SLACK_MS);
      // By the nudge, and not by a look.
      if (state === "healthy") expect(median).toBeLessThan(NUDGED_MS);
    }, 120_000);
  });

  test("three workers compete: each task is made once, by more than one of them", async () => {
    const workers = await Promise.all(["w1", "w2", "w3"].map((name) => form.worker(name)));
    const token = await signUp(
      { ...a, call: (m, p, c) => a.call(m, p, { ...c, headers: from() }) },
      "player",
    );
    const ids = await Promise.all(Array.from({ length: TASKS }, (_, at) => ask(both(at), token, "player")));
    await Promise.all(ids.map((id) => download(a, token, id, 40_000)));
    // What they log is written out by then.
    for (const worker of workers) expect(await worker.stop()).toBe(0);
    const stored = workers.map(({ output }) =>
      output()
        .split("\n")
        .filter((line) => line.includes("document stored"))
        .map((line) => JSON.parse(line).taskId as string),
    );
    expect(stored.flat().sort()).toEqual([...ids].sort());
    expect(stored.filter((made) => made.length > 0).length).toBeGreaterThan(1);
    console.log(`nodes: documents by worker: ${stored.map((made) => made.length).join(", ")}`);
  }, 120_000);
});
