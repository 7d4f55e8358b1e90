import { expect } from "bun:test";
import { eq } from "drizzle-orm";
import { accounts, messages, nodes, presence } from "../../db/schema.ts";
import * as people from "../../src/domain/accounts.ts";
import * as avatars from "../../src/domain/avatars.ts";
import * as roles from "../../src/domain/roles.ts";
import * as tasks from "../../src/domain/tasks.ts";
import type { Answer, TestApp } from "./app.ts";

export const PASSWORD = "SecurePassword123!";
/** As many as make more than one batch of them. */
export const MESSAGES = 430;
export const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

/** Of a proxy that is believed. */
export const BEHIND_PROXY = ["192.0.2.1"];

/** What only zelda has said or is, in lower case; each begins with another letter, since indexes share beginnings. */
export const NEEDLES = [
  "zeldafitz",
  "quuxington",
  "yesteraddress",
  "lochnowhere",
  "555-7788",
  "wobblecorp",
  "xenopatronym",
  "1971-02-03",
  "describulous",
  "gendrificus",
  "198.51.100.77",
  "ubrowserish",
  "kwyjiboing",
  "brimblegast",
  "drablewonk",
  "vexatitle",
  "commentwhiffle",
  "messageflorp",
  "jumblekey",
  "reasonflumpt",
  "aboutherflumpt",
  "medicinalrole",
] as const;

export type Zelda = {
  readonly id: number;
  readonly uuid: string;
  readonly token: string;
  readonly refreshToken: string;
  /** Of documents about her, and about others that she asked for. */
  readonly taskIds: readonly string[];
  /** Objects of hers in the document store. */
  readonly keys: readonly string[];
  call(method: string, path: string, body?: object): Promise<Answer>;
};

export type Other = { readonly id: number; readonly uuid: string; readonly token: string };

/** Zelda has something in every table, and bob, an administrator, has met her everywhere. */
export async function wholeLife(app: TestApp): Promise<{ zelda: Zelda; bob: Other }> {
  const must = (answer: Answer): Answer => {
    if (answer.status < 300) return answer;
    throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
  };
  const headers = { "X-Forwarded-For": "198.51.100.77", "User-Agent": "Ubrowserish/1" };
  const email = "yesteraddress@example.com";
  let token: string | undefined;
  const call = (method: string, path: string, body?: object) =>
    app.call(method, path, {
      headers,
      ...(token === undefined ? {} : { token }),
      ...(body === undefined ? {} : { body }),
    });
  const does = async (method: string, path: string, body?: object) =>
    must(await call(method, path, body)).body;
  const bobToken = await signedUp("bob");
  const bobs = async (method: string, path: string, body?: object) =>
    must(await app.call(method, path, { token: bobToken, ...(body === undefined ? {} : { body }) })).body;

  async function signedUp(name: string): Promise<string> {
    const body = {
      email: `${name}@example.org`,
      username: name,
      password: PASSWORD,
      full_name: `${name} Doe`,
    };
    must(await app.call("POST", "/api/auth/register", { body }));
    return must(await app.call("POST", "/api/auth/login", { body })).body.access_token;
  }

  const form = { email, username: "Zeldafitz", password: PASSWORD, full_name: "Zeldafitz Quuxington" };
  await does("POST", "/api/auth/register", form);
  const signedIn = await does("POST", "/api/auth/login", form);
  token = String(signedIn.access_token);
  const uuid: string = signedIn.user.id;
  const bob = await people.getActiveByUsername(app.core, "bob");
  await roles.grant(app.core, bob, "admin");

  await does("PUT", `/api/users/${uuid}`, {
    email: "moved.quuxington@example.com",
    location: "Lochnowhere",
    phone_number: "+1-555-7788",
    company: "Wobblecorp",
  });
  const { id } = await people.getActiveByUsername(app.core, "zeldafitz");
  await does("PATCH", `/users/${id}`, { gender: "gendrificus" });
  const more = { patronymic: "Xenopatronym", birthday: "1971-02-03", description: "describulous" };
  await app.core.db.update(accounts).set(more).where(eq(accounts.id, id));
  const first = await avatars.upload(app.core, await people.get(app.core, id), PNG);
  const second = await avatars.upload(app.core, await people.get(app.core, id), PNG);
  await call("POST", "/api/auth/change-password", {
    current_password: "Wrong-Pass1",
    password: PASSWORD,
    confirm_password: PASSWORD,
  });
  await does("POST", "/ws/ticket");

  const inviter = await bobs("POST", "/api/admin/roles", {
    name: "inviter",
    permissions: ["invitations.create"],
  });
  const hosts = await bobs("POST", "/api/admin/groups", { name: "hosts", roles: [inviter.id] });
  await bobs("PUT", `/api/admin/users/${uuid}/roles`, { ids: [inviter.id] });
  await bobs("PUT", `/api/admin/users/${uuid}/groups`, { ids: [hosts.id] });
  await does("POST", "/api/admin/invitations", { uses: 3 });

  const status = "published";
  const post = await does("POST", "/api/blogs/posts", {
    title: "Kwyjiboing",
    content: "on brimblegast",
    status,
  });
  await does("POST", "/api/blogs/posts", { title: "Draft", content: "a drablewonk" });
  for (let number = 0; number < 6; number++) {
    await does("POST", "/api/blogs/posts", { title: `No. ${number}`, content: "brimblegast", status });
  }
  const bad = await does("POST", "/api/blogs/posts", { title: "Vexatitle", content: "Gone before", status });
  await bobs("DELETE", `/api/blogs/posts/${bad.id}`);
  const bobPost = await bobs("POST", "/api/blogs/posts", { title: "Of bob", content: "His words", status });
  const under = await bobs("POST", `/api/blogs/posts/${post.id}/comments`, { content: "Bob was here" });
  const hers = await does("POST", `/api/blogs/posts/${bobPost.id}/comments`, { content: "commentwhiffle" });
  const his = await bobs("POST", `/api/blogs/posts/${bobPost.id}/comments`, { content: "His own comment" });
  await does("POST", `/api/blogs/comments/${his.id}/like`);
  await bobs("POST", `/api/blogs/comments/${his.id}/like`);
  await bobs("POST", `/api/blogs/comments/${hers.id}/like`);
  await bobs("POST", `/api/blogs/comments/${under.id}/like`);

  await does("POST", `/users/${id}/games`, { role: "medicinalrole", result: "win", duration: 60 });
  await bobs("POST", `/users/${bob.id}/games`, { role: "sniper", result: "loss", duration: 60 });

  await does("POST", "/ws/create-room", { id: "hers", name: "A room" });
  await bobs("POST", "/ws/create-room", { id: "his", name: "Another room" });
  for (const room of ["hers", "his"]) {
    const said = { content: "messageflorp", key: "jumblekey" };
    const { id: messageId } = await does("POST", `/ws/rooms/${room}/messages`, said);
    await bobs("POST", `/ws/rooms/${room}/messages`, { content: `of bob in ${room}` });
    if (room === "his")
      await does("DELETE", `/ws/rooms/his/messages/${messageId}`, { reason: "reasonflumpt" });
  }
  const rest = Array.from({ length: MESSAGES - 2 }, (_, index) => ({
    roomId: 1 + (index % 2),
    kind: "message" as const,
    userId: id,
    username: "Zeldafitz",
    content: `messageflorp ${index}`,
    key: `jumblekey-${index}`,
    sentAt: app.now,
  }));
  await app.core.db.insert(messages).values(rest);
  await bobs("PUT", `/ws/rooms/his/mutes/${id}`, { reason: "aboutherflumpt" });
  const guest = await signedUp("carl");
  const carl = await people.getActiveByUsername(app.core, "carl");
  await does("PUT", `/ws/rooms/hers/mutes/${carl.id}`, { reason: "reasonflumpt" });
  must(await app.call("POST", "/ws/rooms/his/messages", { token: guest, body: { content: "of carl" } }));

  const taskIds: string[] = [];
  const about = async (username: string) => {
    taskIds.push((await does("POST", `/api/stats/${username}`)).result.id);
    await produce(app);
  };
  await about("Zeldafitz");
  await about("bob");
  taskIds.push((await bobs("POST", "/api/stats/Zeldafitz")).result.id);
  await produce(app);
  await does("POST", `/users/${bob.id}/pdf`);
  await produce(app);
  taskIds.push((await does("POST", "/api/stats/Zeldafitz")).result.id);

  await app.core.db.insert(nodes).values({ id: "a node", seenAt: Date.now() });
  await app.core.db
    .insert(presence)
    .values({ nodeId: "a node", roomId: 1, userId: id, username: "Zeldafitz" });
  const pictures = [first, second].map(({ avatarKey }) => avatarKey ?? "");
  const keys = [...taskIds.slice(0, 3).map(tasks.documentKey), ...pictures];
  const zelda = { id, uuid, token, refreshToken: signedIn.refresh_token, taskIds, keys, call };
  return { zelda, bob: { id: bob.id, uuid: bob.uuid, token: bobToken } };
}

/** What a worker does, with a document that is short. */
async function produce(app: TestApp): Promise<void> {
  const task = await tasks.claim(app.core, "a worker");
  if (task === null) throw new Error("nothing was due");
  await tasks.keepReport(app.core, task, "a worker", JSON.stringify({ of: task.subjectId }));
  await app.core.documents.put(tasks.documentKey(task.id), Buffer.from("%PDF-"), "application/pdf");
  expect(await tasks.complete(app.core, task, "a worker", { bytes: 5, sha256: "" })).toBe(true);
}
