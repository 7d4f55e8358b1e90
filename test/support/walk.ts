import { eventually } from "../adapters/eventually.ts";
import type { Answer } from "./app.ts";
import type { RunningServer } from "./server.ts";

/** Signs a new stats user up on a running server; answers its access token. */
export async function signUp(server: RunningServer, username: string): Promise<string> {
  const body = { username, email: "player@example.org", sex: "x" };
  const registered = await server.call("POST", "/api/auth/register", { body });
  const issued = await server.call("POST", "/api/auth/issue-access-token", {
    token: registered.body.result.refresh_token,
  });
  return issued.body.result.access_token;
}

export async function ask(server: RunningServer, token: string, username: string): Promise<string> {
  const answer = await server.call("POST", `/api/stats/${encodeURIComponent(username)}`, { token });
  if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body.result.id;
}

/** Waits until the task is DONE and downloads its document by the link. */
export async function download(
  server: RunningServer,
  token: string,
  id: string,
  timeoutMs = 15_000,
): Promise<Uint8Array> {
  let task: Answer | undefined;
  await eventually(
    async () => {
      task = await server.call("GET", `/api/stats/tasks/${id}`, { token }).catch(() => undefined);
      if (task !== undefined && task.status !== 200)
        throw new Error(`${task.status} ${JSON.stringify(task.body)}`);
      if (task?.body.result?.status === "FAILED") throw new Error(task.body.result.error);
      return task?.body.result?.status === "DONE";
    },
    timeoutMs,
    25,
  );
  const response = await fetch(task?.body.result.document_url);
  if (response.status !== 200) throw new Error(`the link answered ${response.status}`);
  return response.bytes();
}
