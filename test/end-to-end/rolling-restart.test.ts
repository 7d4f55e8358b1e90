import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { eventually } from "../adapters/eventually.ts";
import { type Answer, type Call, send } from "../support/app.ts";
import { PASSWORD, signUp } from "../support/chat.ts";
import { type Follower, follow, historyOf } from "../support/chat-history.ts";
import { type RunningProxy, startCaddy } from "../support/proxies.ts";
import { available } from "../support/rabbitmq.ts";
import { type ScaledForm, startScaledForm } from "../support/scaled-form.ts";
import { type RunningProcess, type RunningServer, temporaryFolder } from "../support/server.ts";
import { requireTool } from "../support/tools.ts";
import { download, signUp as signUpPlayer } from "../support/walk.ts";

const DRAIN_SECONDS = "1.5";
const PEOPLE = ["ann", "bob", "cat", "dan"] as const;
const ROUNDS = 2;

/** Asks again and again until told to end; whatever is not answered with 2xx is a failure. */
function createLoad(proxy: RunningProxy) {
  const failures: string[] = [];
  const answers: Record<string, number> = {};
  const loops: Promise<void>[] = [];
  let isOver = false;

  async function call(method: string, path: string, what: Call = {}): Promise<Answer | null> {
    const name = `${method} ${path.replace(/tasks\/.*/, "tasks/...")}`;
    try {
      const answer = await send(fetch, method, proxy.url + path, what);
      if (answer.status >= 200 && answer.status < 300) answers[name] = (answers[name] ?? 0) + 1;
      else failures.push(`${name}: ${answer.status} ${JSON.stringify(answer.body).slice(0, 200)}`);
      return answer;
    } catch (error) {
      failures.push(`${name}: ${error}`);
      return null;
    }
  }

  return {
    failures,
    answers,
    call,
    /** So many who do this over and over. */
    repeat(times: number, pauseMs: number, act: (count: number) => Promise<unknown>): void {
      for (let one = 0; one < times; one++) {
        loops.push(
          (async () => {
            for (let count = one; !isOver; count += times) {
              await act(count);
              await Bun.sleep(pauseMs * (0.5 + Math.random()));
            }
          })(),
        );
      }
    },
    async end() {
      isOver = true;
      await Promise.all(loops);
    },
  };
}

describe.skipIf(!available() || !requireTool("caddy"))("two nodes and a worker behind Caddy", () => {
  let form: ScaledForm;
  let folder: ReturnType<typeof temporaryFolder>;
  let proxy: RunningProxy;
  let nodes: [RunningServer, RunningServer];
  let worker: RunningProcess;
  beforeAll(async () => {
    form = await startScaledForm({ DRAIN_SECONDS, TRUST_PROXY: "127.0.0.1", RATE_LIMIT: "off" });
    nodes = await Promise.all([form.node("a"), form.node("b")]);
    worker = await form.worker("w");
    folder = temporaryFolder();
    const host = ({ url }: RunningServer) => new URL(url).host;
    const upstreams = [host(nodes[0]), host(nodes[1])] as const;
    proxy = await startCaddy({ folder: folder.path, upstreams, healthInterval: "200ms" });
  }, 120_000);
  afterAll(async () => {
    await proxy?.stop();
    await form?.close();
    await folder?.remove();
  }, 120_000);

  test("restarted one after the other under load: no request fails, every message comes once, every task is made", async () => {
    const behind: RunningServer = {
      ...nodes[0],
      url: proxy.url,
      call: (method, path, call) => send(fetch, method, proxy.url + path, call),
    };
    const [player, people] = [
      await signUpPlayer(behind, "player"),
      await Promise.all(PEOPLE.map((name) => signUp(behind, name))),
    ];
    const [ann] = people;
    if (ann === undefined) throw new Error("there is nobody");
    expect((await ann.call("POST", "/ws/create-room", { id: "r", name: "room" })).status).toBe(200);
    const followers = people.map((user) => follow({ url: () => proxy.url, user, room: "r" }));
    await eventually(() => followers.every(({ isHere }) => isHere));

    const load = createLoad(proxy);
    const taskIds: string[] = [];
    let said = 0;
    let streams = 0;
    load.repeat(6, 10, () => load.call("GET", "/api/users/myself", { token: player }));
    load.repeat(4, 10, () => load.call("GET", "/users?limit=10"));
    load.repeat(2, 20, () => load.call("GET", "/ws/rooms", { headers: { Cookie: ann.cookie } }));
    load.repeat(3, 20, (count) => {
      const body = { username: "player", email: `player${count}@example.org`, sex: "x" };
      return load.call("PUT", "/api/users/myself", { token: player, body });
    });
    load.repeat(1, 150, () =>
      load.call("POST", "/api/users/signin", { body: { email: "ann@example.org", password: PASSWORD } }),
    );
    load.repeat(1, 100, async () => {
      const accepted = await load.call("POST", "/api/stats/player", { token: player });
      if (accepted?.status === 200) taskIds.push(accepted.body.result.id);
    });
    // A stream that is ended is opened again; one that is cut off rejects.
    load.repeat(2, 200, async () => {
      const accepted = await load.call("POST", "/api/stats/player", { token: player });
      if (accepted?.status !== 200) return;
      const { id } = accepted.body.result;
      taskIds.push(id);
      for (let events = ""; !events.includes('"DONE"'); streams += 1) {
        const watched = await load.call("GET", `/api/stats/tasks/${id}/events`, { token: player });
        if (watched?.status !== 200) return;
        events = watched.body;
      }
    });
    load.repeat(4, 20, async (count) => {
      const headers = { Cookie: ann.cookie };
      const posted = await load.call("POST", "/ws/rooms/r/messages", {
        headers,
        body: { content: `rest ${count}` },
      });
      if (posted?.status === 201) said += 1;
    });
    load.repeat(1, 40, async (count) => {
      for (const follower of followers) {
        if (follower.unanswered.size > 20) continue;
        follower.say(`${follower.user.username} ${count}`);
        said += 1;
      }
    });

    const outputs: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      for (const index of [0, 1] as const) {
        const { url } = nodes[index];
        expect(await nodes[index].stop()).toBe(0);
        outputs.push(nodes[index].output());
        nodes[index] = await form.node(index === 0 ? "a" : "b", { port: new URL(url).port });
        // Long enough for the proxy to have seen it: else the next stop would leave it none.
        await eventually(() => servedLately(nodes[index]), 10_000);
      }
      expect(await worker.stop()).toBe(0);
      worker = await form.worker("w");
    }
    await load.end();
    outputs.push(...nodes.map((node) => node.output()));

    expect(load.failures).toEqual([]);
    expect(outputs.flatMap(failuresIn)).toEqual([]);
    console.log(
      `rolling-restart: ${JSON.stringify(load.answers)}, ${said} said, ${taskIds.length} tasks, ${streams} streams`,
    );
    await expectOneStory(followers, said);
    for (const follower of followers) expect(follower.visits.length).toBeGreaterThan(ROUNDS);
    await expectDocuments(player, taskIds);
  }, 120_000);

  test("with the broker away no node is ready, and requests still find one", async () => {
    await form.way.shut();
    for (const node of nodes) {
      await eventually(async () => (await node.call("GET", "/readyz")).status === 503, 10_000, 50);
    }
    // Several looks of the proxy.
    await Bun.sleep(1_000);
    for (let count = 0; count < 10; count++) {
      expect((await fetch(`${proxy.url}/users?limit=1`)).status).toBe(200);
    }
  }, 120_000);

  /** Everybody was told everything that was said, once and in order. */
  async function expectOneStory(followers: readonly Follower[], said: number): Promise<void> {
    await eventually(() => followers.every(({ unanswered }) => unanswered.size === 0), 8_000);
    const [first] = followers;
    const history = first === undefined ? [] : await historyOf(first.user, "r");
    const ids = history.map(({ id }) => id);
    expect(ids).toHaveLength(said);
    await eventually(() => followers.every(({ told }) => told.size === said), 8_000).catch(() => {});
    for (const follower of followers) {
      expect(follower.flaws).toEqual([]);
      expect(follower.ids()).toEqual(ids);
    }
    expect(new Set(history.map(({ content }) => content)).size).toBe(said);
  }

  /** Each accepted task is DONE, and its one document is what its row says. */
  async function expectDocuments(token: string, ids: readonly string[]): Promise<void> {
    const documents = await Promise.all(ids.map((id) => download(nodes[0], token, id, 20_000)));
    const database = new Database(form.databaseFile, { readonly: true });
    const rows = database.query("SELECT id, status, document_sha256 AS sha FROM report_tasks").all();
    database.close();
    const hashes = new Map(
      ids.map((id, at) => [
        id,
        createHash("sha256")
          .update(documents[at] ?? "")
          .digest("hex"),
      ]),
    );
    expect(rows).toHaveLength(ids.length);
    for (const row of rows as { id: string; status: string; sha: string }[]) {
      expect([row.status, row.sha]).toEqual(["DONE", hashes.get(row.id) ?? "not asked for"]);
    }
  }
});

/** Requests of the load have come to this process by way of the proxy. */
const servedLately = (node: RunningServer): boolean => node.output().includes('"path":"/users"');

/** What a node answered with a failure, going by its log. */
function failuresIn(output: string): string[] {
  return output
    .split("\n")
    .filter((line) => /"status":5\d\d/.test(line) && !line.includes('"path":"/readyz'));
}
