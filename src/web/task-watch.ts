import { blobOf, call, Failure, send } from "./api.ts";
import type { StatsTask } from "./shapes.ts";

const RETRY_MS = 1_000;
const PDF_POLL_MS = 1_000;
const MAX_POLLS = 60;
const MAX_BREAKS = 5;

/** Asks for a player's statistics document and tells each state of its task; resolves with the finished document. */
export async function makeDocument(
  player: { readonly id: string; readonly username: string },
  onTask: (task: StatsTask) => void,
  signal: AbortSignal,
): Promise<Blob> {
  const path = `/api/stats/${encodeURIComponent(player.username)}`;
  const { result } = await call<{ result: { id: string } }>("POST", path, { signal });
  const task = await watch(result.id, onTask, signal);
  if (task.status !== "DONE" || task.document_url === undefined) {
    throw new Failure(task.error ?? "", 0, "TASK_FAILED", null, null, null);
  }
  const url = new URL(task.document_url, location.origin);
  // The document may be known by another name of this server; in a bucket it is another host's, which the page
  // does not talk to, and the server hands out the same document itself.
  if (url.pathname.startsWith("/documents/")) {
    const path = url.pathname + url.search;
    return blobOf(await send("GET", path, { signal, anonymous: true, size: "transfer" }));
  }
  return fromPlayer(player.id, signal);
}

/** Reads the task's events until it ends; a broken stream is opened again, a few times. */
async function watch(id: string, onTask: (task: StatsTask) => void, signal: AbortSignal): Promise<StatsTask> {
  for (let breaks = 0; ; breaks++) {
    try {
      const response = await send("GET", `/api/stats/tasks/${id}/events`, { signal, size: "stream" });
      for await (const task of events(response)) {
        onTask(task);
        if (task.status === "DONE" || task.status === "FAILED") return task;
      }
    } catch (error) {
      const isFinal = error instanceof Failure && error.status >= 400 && error.status < 500;
      if (signal.aborted || isFinal || breaks >= MAX_BREAKS) throw error;
    }
    // The server ends a stream in order too, and no stream may be opened for ever.
    if (breaks >= MAX_BREAKS)
      throw new Failure("The document takes too long.", 0, "TASK_FAILED", null, null, null);
    await pause(RETRY_MS);
  }
}

/** The server's events; EventSource would send no token. */
async function* events(response: Response): AsyncGenerator<StatsTask> {
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (true) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = /^data: ?(.*)$/m.exec(block)?.[1];
      if (data !== undefined) yield (JSON.parse(data) as { readonly result: StatsTask }).result;
    }
  }
}

async function fromPlayer(id: string, signal: AbortSignal): Promise<Blob> {
  await call("POST", `/users/${id}/pdf`, { signal });
  for (let polls = 0; polls < MAX_POLLS; polls++) {
    const response = await send("GET", `/users/${id}/pdf`, { signal, size: "transfer" });
    if (response.status === 200) return blobOf(response);
    await pause(PDF_POLL_MS);
  }
  throw new Failure("The document takes too long.", 0, "TASK_FAILED", null, null, null);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
