import { join } from "node:path";
import { type ChatUser, signUp as signUpToChat } from "../support/chat.ts";
import { type Ran, runCommand } from "../support/command.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { ask, download } from "../support/walk.ts";

/** One pixel. */
const PICTURE = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

/** A running server with something of everything that a backup has to keep. */
export type Club = {
  readonly server: RunningServer;
  readonly ann: ChatUser;
  /** Of the player, whose account has no password and lives by it. */
  readonly refreshToken: string;
  /** The player's finished document. */
  readonly taskId: string;
  readonly document: Uint8Array;
  /** The path of ann's avatar. */
  readonly avatarPath: string;
  readonly avatar: Uint8Array;
  readonly epoch: string;
  /** The id of the one message in room 1, `before the backup`. */
  readonly messageId: number;
};

export async function startClub(dataDir: string, env: Record<string, string> = {}): Promise<Club> {
  const server = await startServer({ dataDir, env });
  const ann = await signUpToChat(server, "ann");
  const form = new FormData();
  form.set("avatar", new File([PICTURE], "me.png", { type: "image/png" }));
  const uploaded = await fetch(`${server.url}/account/edit/avatar`, {
    method: "POST",
    headers: { Cookie: ann.cookie },
    body: form,
  });
  const { avatar: address } = (await uploaded.json()) as { avatar: string };
  const avatarPath = new URL(address).pathname;
  const avatar = await (await fetch(server.url + avatarPath)).bytes();
  const registered = await server.call("POST", "/api/auth/register", {
    body: { username: "player", email: "player@example.org", sex: "x" },
  });
  const refreshToken = registered.body.result.refresh_token;
  const token = await accessToken(server, refreshToken);
  const taskId = await ask(server, token, "player");
  const document = await download(server, token, taskId);
  await ann.call("POST", "/ws/create-room", { id: 1, name: "lobby" });
  const said = await ann.call("POST", "/ws/rooms/1/messages", { content: "before the backup" });
  const { epoch } = (await ann.call("GET", "/ws/rooms/1/messages")).body;
  return {
    server,
    ann,
    refreshToken,
    taskId,
    document,
    avatarPath,
    avatar,
    epoch,
    messageId: said.body.id,
  };
}

export async function accessToken(server: RunningServer, refreshToken: string): Promise<string> {
  const issued = await server.call("POST", "/api/auth/issue-access-token", { token: refreshToken });
  if (issued.status !== 200) throw new Error(`${issued.status} ${JSON.stringify(issued.body)}`);
  return issued.body.result.access_token;
}

/** Makes a backup in the shell; answers its name and its folder. */
export async function createBackup(dataDir: string, env: Record<string, string> = {}) {
  const made = await runCommand(["backup", "create"], { dataDir, env });
  if (made.code !== 0) throw new Error(`${made.out}${made.err}`);
  const [name = ""] = made.out.split(":");
  return { name, folder: join(dataDir, "backups", name), out: made.out };
}

export const backup = (
  args: readonly string[],
  dataDir: string,
  env: Record<string, string> = {},
): Promise<Ran> => runCommand(["backup", ...args], { dataDir, env });
