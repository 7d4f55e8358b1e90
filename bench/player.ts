import { z } from "zod";

/** An account on a running server, with what it takes to ask for things in its name. */
export type Player = {
  readonly username: string;
  readonly token: string;
  /** `GET /api/users/myself` as bytes for the load generator. */
  readonly profileRequest: string;
  /** `POST /api/stats/{username}` of the player's own statistics. */
  readonly documentRequest: string;
  /** Answers the task's id. */
  requestDocument(): Promise<string>;
  /** Resolves when the task is DONE, looking every so many milliseconds; rejects when it fails. */
  documentDone(taskId: string, pollMs: number): Promise<void>;
};

const Registered = z.object({ result: z.object({ refresh_token: z.string() }) });
const Issued = z.object({ result: z.object({ access_token: z.string() }) });
const Created = z.object({ result: z.object({ id: z.string() }) });
const Status = z.object({ result: z.object({ status: z.string(), error: z.string().optional() }) });
const Users = z.array(z.object({ self: z.string(), username: z.string() }));

const REQUEST_TIMEOUT_MS = 10_000;
const DOCUMENT_TIMEOUT_MS = 60_000;

/** Registers through the stats API; with `games`, the player has played so many. */
export async function newPlayer(url: string, username: string, games = 0): Promise<Player> {
  const ask = asking(url);
  const registered = Registered.parse(
    await ask("POST", "/api/auth/register", null, { username, email: "bench@example.com", sex: "male" }),
  );
  const issued = Issued.parse(
    await ask("POST", "/api/auth/issue-access-token", registered.result.refresh_token),
  );
  const token = issued.result.access_token;
  if (games > 0) await play();

  async function play(): Promise<void> {
    const me = Users.parse(await ask("GET", "/users?limit=100", null)).find(
      (user) => user.username === username,
    );
    if (me === undefined) throw new Error("a new player is not among the users");
    const results = ["win", "loss", "win", "draw"];
    for (let index = 0; index < games; index++) {
      const game = { role: "Mage", result: results[index % results.length], duration: 600 + index };
      await ask("POST", `${me.self}/games`, token, game);
    }
  }

  const documents = `/api/stats/${encodeURIComponent(username)}`;
  const request = (line: string, length = "") =>
    `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n${length}\r\n`;
  return {
    username,
    token,
    profileRequest: request("GET /api/users/myself"),
    documentRequest: request(`POST ${documents}`, "Content-Length: 0\r\n"),
    async requestDocument() {
      return Created.parse(await ask("POST", documents, token)).result.id;
    },
    async documentDone(taskId, pollMs) {
      const deadline = performance.now() + DOCUMENT_TIMEOUT_MS;
      while (performance.now() < deadline) {
        const { status, error } = Status.parse(await ask("GET", `/api/stats/tasks/${taskId}`, token)).result;
        if (status === "DONE") return;
        if (status === "FAILED") throw new Error(`a document failed: ${error}`);
        await Bun.sleep(pollMs);
      }
      throw new Error("a document was not made in time");
    },
  };
}

const asking =
  (url: string) =>
  async (method: string, path: string, token: string | null, body?: object): Promise<unknown> => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (!response.ok)
      throw new Error(`${method} ${path} was answered with ${response.status}: ${await response.text()}`);
    return response.json();
  };
